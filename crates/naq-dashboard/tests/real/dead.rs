//! Dead letters: one, the selected, a group, a filter, all; with preview, reason, drip rate, progress,
//! cancel and undo.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use naq_client::{Batch, BatchState, DeadFilter, DeadSummary};
use naq_core::{ErrorKind, JobState};
use naq_testing::eventually;
use serde_json::json;

use crate::world::{PATIENCE, Script, Step, Visit, key, queue};

/// Dies in its first attempt, all of a kind with one message but for the numbers in it.
async fn dies(visit: &Visit, queue: &str, id: &str, kind: ErrorKind, message: &str) -> Result<()> {
    let script = Script::new([Step::fatal(kind, message)]);
    let job = visit.world.client.enqueue_task("order.sync", &json!({ "script": script }))?;
    job.queue(queue).id(id).await?;
    Ok(())
}

/// The dead letters of the broker.
async fn letters(visit: &Visit) -> Result<BTreeSet<String>> {
    let page = visit.world.client.dead_letters(&DeadFilter::default(), 0, 1_000).await?;
    let name = |dead: DeadSummary| format!("{}/{}", dead.queue, dead.id);
    Ok(page.letters.iter().map(|letter| name(DeadSummary::from(letter))).collect())
}

async fn left(visit: &Visit, expected: usize) -> BTreeSet<String> {
    let what = format!("{expected} dead letters");
    let found = eventually(&what, PATIENCE, async || {
        let letters = letters(visit).await?;
        anyhow::ensure!(letters.len() == expected, "{letters:?}");
        Ok(letters)
    });
    found.await
}

/// Six that were refused and four that were slow in `mail`, three refused in `billing`.
async fn graveyard() -> Result<Visit> {
    let visit = Visit::start().await?;
    for n in 0..6 {
        let message = format!("10.0.0.{n} refused");
        dies(&visit, "mail", &format!("refused-{n}"), ErrorKind::CONNECTION, &message).await?;
    }
    for n in 0..4 {
        let message = format!("no answer in {n} s");
        dies(&visit, "mail", &format!("slow-{n}"), ErrorKind::TIMEOUT, &message).await?;
    }
    for n in 0..3 {
        let message = format!("10.0.1.{n} refused");
        dies(&visit, "billing", &format!("bill-{n}"), ErrorKind::CONNECTION, &message).await?;
    }
    let tasks = visit.world.scripted(&["order.sync"]);
    let hand = visit.world.worker("ada", &["mail", "billing"], tasks).await?;
    left(&visit, 13).await;
    hand.stop().await?;
    Ok(visit)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_is_requeued_another_purged_and_then_those_that_are_selected() -> Result<()> {
    let visit = graveyard().await?;
    let browser = &visit.browser;
    visit.go("/dead?queue=mail").await?;

    browser.press("tr[data-item^='mail/refused-0@']", "Requeue").await?;
    visit.told("Done: requeue").await?;
    assert!(!left(&visit, 12).await.contains("mail/refused-0"));
    visit.job_is("mail", "refused-0", JobState::Scheduled).await;

    browser.press("tr[data-item^='mail/slow-0@']", "Purge").await?;
    browser.press("tr[data-item^='mail/slow-0@']", "Gone for good").await?;
    visit.told("Done: purge").await?;
    assert!(!left(&visit, 11).await.contains("mail/slow-0"));

    for id in ["refused-1", "refused-2"] {
        browser.click(&format!("input[name=item][value^='mail/{id}@']")).await?;
    }
    browser.press("main > .actions", "Requeue or purge the selected (2)").await?;
    browser.press("#d-selected", "Preview").await?;
    browser.wait_for_text("#d-selected [data-preview-words]", "2 ").await?;
    browser.click("#d-selected [data-do]").await?;
    visit.refused("say why").await?;
    assert_eq!(letters(&visit).await?.len(), 11, "without a reason nothing is done");
    browser.fill("#d-selected input[name=reason]", "the firewall is open again").await?;
    browser.click("#d-selected [data-do]").await?;
    visit.told("Begun: requeue").await?;
    left(&visit, 9).await;
    visit.job_is("mail", "refused-2", JobState::Scheduled).await;

    let batch = visit.recorded().await?;
    let selected = batch.iter().find(|entry| entry.reason == "the firewall is open again");
    assert_eq!(selected.expect("a record").what, "requeue");
    visit.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_and_a_filter_are_acted_on_and_nothing_besides() -> Result<()> {
    let visit = graveyard().await?;
    let browser = &visit.browser;
    visit.go("/dead?queue=mail").await?;
    browser.click("tr[data-item^='mail/slow-0@'] a[title]").await?;
    browser.wait_for_url("pattern=").await?;
    browser.press("main > .actions", "Requeue or purge all that fit").await?;
    browser.fill("#d-all input[name=reason]", "it answers again").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "4 ").await?;
    browser.click("#d-all [data-do]").await?;
    visit.told("Begun: requeue").await?;
    let rest = left(&visit, 9).await;
    assert!(!rest.iter().any(|letter| letter.contains("slow")), "{rest:?}");

    visit.go("/dead?queue=billing").await?;
    browser.press("main > .actions", "Requeue or purge all that fit").await?;
    browser.click("#d-all input[value=purge]").await?;
    browser.fill("#d-all input[name=reason]", "billed by hand").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "3 ").await?;
    browser.fill("#d-all input[name=confirm]", "4").await?;
    browser.click("#d-all [data-do]").await?;
    visit.refused("look again").await?;
    assert_eq!(letters(&visit).await?.len(), 9, "another number was typed");
    browser.fill("#d-all input[name=confirm]", "3").await?;
    browser.click("#d-all [data-do]").await?;
    visit.told("Begun: purge").await?;
    let rest = left(&visit, 6).await;
    assert!(rest.iter().all(|letter| letter.starts_with("mail/refused")), "{rest:?}");

    let recorded = visit.recorded().await?;
    let purge = recorded.iter().find(|entry| entry.what == "purge").expect("a record");
    assert_eq!((&*purge.reason, purge.count), ("billed by hand", Some(3)), "{purge:?}");
    visit.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_them_drip_and_what_is_not_yet_due_is_undone() -> Result<()> {
    let visit = graveyard().await?;
    let browser = &visit.browser;
    visit.go("/dead").await?;
    browser.press("main > .actions", "Requeue or purge all").await?;
    browser.fill("#d-all input[name=per_second]", "0.1").await?;
    browser.fill("#d-all input[name=reason]", "one every ten seconds").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "13 ").await?;
    browser.click("#d-all [data-do]").await?;
    visit.told("Begun: requeue").await?;
    left(&visit, 0).await;
    // Nothing of it is due at once, and each later than the one before it.
    let mut dues = Vec::new();
    for n in 0..3 {
        let report = visit.world.client.report(&key("billing", &format!("bill-{n}"))).await?;
        dues.push(report.due_at.expect("a time"));
    }
    assert!(dues[0] > visit.world.client.now(), "{dues:?}");
    dues.sort_unstable();
    assert!(dues[2].since(dues[0]) >= Duration::from_secs(9), "{dues:?}");

    browser.wait_for("[data-batch] [data-state=done]").await?;
    visit.number("done", 13).await?;
    browser.press("[data-batch]", "Undo").await?;
    visit.told("Undone").await?;
    // What was due before it was undone stays requeued.
    let batch = only_batch(&visit).await?;
    assert!(batch.state == BatchState::Undone && batch.undone >= 11, "{batch:?}");
    left(&visit, usize::try_from(batch.undone)?).await;
    visit.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_shows_how_far_it_is_and_is_cancelled_half_way() -> Result<()> {
    const MANY: usize = 2_500;
    let visit = Visit::start().await?;
    let script = Script::new([Step::fatal(ErrorKind::VALUE, "no")]);
    let args = json!({ "script": script });
    let job = |_| visit.world.client.enqueue_task("order.sync", &args);
    let jobs = (0..MANY).map(job).collect::<Result<Vec<_>, _>>()?;
    let jobs: Vec<_> = jobs.into_iter().map(|job| job.queue("mail")).collect();
    for sent in visit.world.client.enqueue_many(jobs).await {
        sent?;
    }
    let tasks = visit.world.scripted(&["order.sync"]);
    let hand = visit.world.worker("ada", &["mail"], tasks).await?;
    dead_in_mail(&visit, |dead| dead == MANY).await;
    hand.stop().await?;

    let browser = &visit.browser;
    visit.go("/dead").await?;
    browser.press("main > .actions", "Requeue or purge all").await?;
    browser.fill("#d-all input[name=per_second]", "1").await?;
    browser.fill("#d-all input[name=reason]", "a mistake").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "2500 ").await?;
    browser.click("#d-all [data-do]").await?;
    browser.wait_for("[data-batch] [data-state=running]").await?;
    browser.press("[data-batch]", "Cancel").await?;
    visit.told("Cancelled: what was done stays done").await?;
    browser.wait_for("[data-batch] [data-state=cancelled]").await?;
    let batch = only_batch(&visit).await?;
    assert_eq!(batch.state, BatchState::Cancelled);
    let done = usize::try_from(batch.done)?;
    assert!(done < MANY, "{batch:?}");
    dead_in_mail(&visit, |dead| dead == MANY - done).await;
    visit.end().await
}

async fn only_batch(visit: &Visit) -> Result<Batch> {
    let mut batches = visit.world.client.batches().await?;
    assert_eq!(batches.len(), 1, "{batches:?}");
    Ok(batches.remove(0))
}

async fn dead_in_mail(visit: &Visit, right: impl Fn(usize) -> bool) {
    eventually("so many dead letters", PATIENCE, async || {
        let info = visit.world.transport().queue_info(&queue("mail")).await?.context("a queue")?;
        anyhow::ensure!(right(usize::try_from(info.dead)?), "{info:?}");
        Ok(())
    })
    .await;
}
