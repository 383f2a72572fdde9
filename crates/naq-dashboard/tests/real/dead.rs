//! Actions on dead letters: on one, on selected ones, on a group, on a filter, on all; with preview,
//! reason, rate, progress, cancel and undo.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result};
use naq_client::{Batch, BatchState, DeadFilter, DeadSummary};
use naq_core::{ErrorKind, JobState};
use naq_testing::eventually;
use serde_json::json;

use crate::setup::{BrowserSession, Script, Step, TIMEOUT, key, queue};

/// Enqueues a job that dies at its first attempt with this error.
async fn enqueue_fatal(
    session: &BrowserSession,
    queue: &str,
    id: &str,
    kind: ErrorKind,
    message: &str,
) -> Result<()> {
    let script = Script::new([Step::fatal(kind, message)]);
    let job = session.setup.client.enqueue_task("order.sync", &json!({ "script": script }))?;
    job.queue(queue).id(id).await?;
    Ok(())
}

/// The dead letters in the broker.
async fn letters(session: &BrowserSession) -> Result<BTreeSet<String>> {
    let page = session.setup.client.dead_letters(&DeadFilter::default(), 0, 1_000).await?;
    let name = |dead: DeadSummary| format!("{}/{}", dead.queue, dead.id);
    Ok(page.letters.iter().map(|letter| name(DeadSummary::from(letter))).collect())
}

/// Waits until the broker has exactly this many dead letters.
async fn letters_left(session: &BrowserSession, expected: usize) -> BTreeSet<String> {
    let what = format!("{expected} dead letters");
    let found = eventually(&what, TIMEOUT, async || {
        let letters = letters(session).await?;
        anyhow::ensure!(letters.len() == expected, "{letters:?}");
        Ok(letters)
    });
    found.await
}

/// Six refused and four slow dead jobs in `mail`, three refused ones in `billing`.
async fn with_dead_letters() -> Result<BrowserSession> {
    let session = BrowserSession::start().await?;
    for n in 0..6 {
        let message = format!("10.0.0.{n} refused");
        enqueue_fatal(&session, "mail", &format!("refused-{n}"), ErrorKind::CONNECTION, &message)
            .await?;
    }
    for n in 0..4 {
        let message = format!("no answer in {n} s");
        enqueue_fatal(&session, "mail", &format!("slow-{n}"), ErrorKind::TIMEOUT, &message).await?;
    }
    for n in 0..3 {
        let message = format!("10.0.1.{n} refused");
        enqueue_fatal(&session, "billing", &format!("bill-{n}"), ErrorKind::CONNECTION, &message)
            .await?;
    }
    let tasks = session.setup.scripted(&["order.sync"]);
    let worker = session.setup.worker("ada", &["mail", "billing"], tasks).await?;
    letters_left(&session, 13).await;
    worker.stop().await?;
    Ok(session)
}

#[tokio::test(flavor = "multi_thread")]
async fn one_letter_is_requeued_one_purged_and_then_the_selected_ones_requeued() -> Result<()> {
    let session = with_dead_letters().await?;
    let browser = &session.browser;
    session.go("/dead?queue=mail").await?;

    browser.press("tr[data-item^='mail/refused-0@']", "Requeue").await?;
    session.wait_for_notice("Done: requeue").await?;
    assert!(!letters_left(&session, 12).await.contains("mail/refused-0"));
    session.job_is("mail", "refused-0", JobState::Scheduled).await;

    browser.press("tr[data-item^='mail/slow-0@']", "Purge").await?;
    browser.press("tr[data-item^='mail/slow-0@']", "Purge permanently").await?;
    session.wait_for_notice("Done: purge").await?;
    assert!(!letters_left(&session, 11).await.contains("mail/slow-0"));

    for id in ["refused-1", "refused-2"] {
        browser.click(&format!("input[name=item][value^='mail/{id}@']")).await?;
    }
    browser.press("main > .actions", "Requeue or purge the selected (2)").await?;
    browser.press("#d-selected", "Preview").await?;
    browser.wait_for_text("#d-selected [data-preview-words]", "2 ").await?;
    browser.click("#d-selected [data-do]").await?;
    session.wait_for_refusal("give a reason").await?;
    assert_eq!(letters(&session).await?.len(), 11, "without a reason the action is refused");
    browser.fill("#d-selected input[name=reason]", "the firewall is open again").await?;
    browser.click("#d-selected [data-do]").await?;
    session.wait_for_notice("Started: requeue").await?;
    letters_left(&session, 9).await;
    session.job_is("mail", "refused-2", JobState::Scheduled).await;

    let entries = session.audit_log().await?;
    let selected = entries.iter().find(|entry| entry.reason == "the firewall is open again");
    assert_eq!(selected.expect("an audit entry").what, "requeue");
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_on_a_group_or_a_filter_leaves_the_other_letters() -> Result<()> {
    let session = with_dead_letters().await?;
    let browser = &session.browser;
    session.go("/dead?queue=mail").await?;
    browser.click("tr[data-item^='mail/slow-0@'] a[title]").await?;
    browser.wait_for_url("pattern=").await?;
    browser.press("main > .actions", "Requeue or purge all matches").await?;
    browser.fill("#d-all input[name=reason]", "it answers again").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "4 ").await?;
    browser.click("#d-all [data-do]").await?;
    session.wait_for_notice("Started: requeue").await?;
    let rest = letters_left(&session, 9).await;
    assert!(!rest.iter().any(|letter| letter.contains("slow")), "{rest:?}");

    session.go("/dead?queue=billing").await?;
    browser.press("main > .actions", "Requeue or purge all matches").await?;
    browser.click("#d-all input[value=purge]").await?;
    browser.fill("#d-all input[name=reason]", "billed by hand").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "3 ").await?;
    browser.fill("#d-all input[name=confirm]", "4").await?;
    browser.click("#d-all [data-do]").await?;
    session.wait_for_refusal("press Preview again").await?;
    assert_eq!(letters(&session).await?.len(), 9, "a wrong count was typed");
    browser.fill("#d-all input[name=confirm]", "3").await?;
    browser.click("#d-all [data-do]").await?;
    session.wait_for_notice("Started: purge").await?;
    let rest = letters_left(&session, 6).await;
    assert!(rest.iter().all(|letter| letter.starts_with("mail/refused")), "{rest:?}");

    let entries = session.audit_log().await?;
    let purge = entries.iter().find(|entry| entry.what == "purge").expect("an audit entry");
    assert_eq!((&*purge.reason, purge.count), ("billed by hand", Some(3)), "{purge:?}");
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_letters_are_requeued_at_a_rate_and_those_not_due_are_undone() -> Result<()> {
    let session = with_dead_letters().await?;
    let browser = &session.browser;
    session.go("/dead").await?;
    browser.press("main > .actions", "Requeue or purge all").await?;
    browser.fill("#d-all input[name=per_second]", "0.1").await?;
    browser.fill("#d-all input[name=reason]", "one every ten seconds").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "13 ").await?;
    browser.click("#d-all [data-do]").await?;
    session.wait_for_notice("Started: requeue").await?;
    letters_left(&session, 0).await;
    // No job is due immediately, and the jobs are due one after the other.
    let mut dues = Vec::new();
    for n in 0..3 {
        let report = session.setup.client.report(&key("billing", &format!("bill-{n}"))).await?;
        dues.push(report.due_at.expect("a time"));
    }
    assert!(dues[0] > session.setup.client.now(), "{dues:?}");
    dues.sort_unstable();
    assert!(dues[2].since(dues[0]) >= Duration::from_secs(9), "{dues:?}");

    browser.wait_for("[data-batch] [data-state=done]").await?;
    session.number("done", 13).await?;
    browser.press("[data-batch]", "Undo").await?;
    session.wait_for_notice("Undone").await?;
    // A job that was due before the undo stays requeued.
    let batch = only_batch(&session).await?;
    assert!(batch.state == BatchState::Undone && batch.undone >= 11, "{batch:?}");
    letters_left(&session, usize::try_from(batch.undone)?).await;
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_batch_shows_its_progress_and_is_cancelled_halfway() -> Result<()> {
    const MANY: usize = 2_500;
    let session = BrowserSession::start().await?;
    let script = Script::new([Step::fatal(ErrorKind::VALUE, "no")]);
    let args = json!({ "script": script });
    let job = |_| session.setup.client.enqueue_task("order.sync", &args);
    let jobs = (0..MANY).map(job).collect::<Result<Vec<_>, _>>()?;
    let jobs: Vec<_> = jobs.into_iter().map(|job| job.queue("mail")).collect();
    for sent in session.setup.client.enqueue_many(jobs).await {
        sent?;
    }
    let tasks = session.setup.scripted(&["order.sync"]);
    let worker = session.setup.worker("ada", &["mail"], tasks).await?;
    dead_in_mail(&session, |dead| dead == MANY).await;
    worker.stop().await?;

    let browser = &session.browser;
    session.go("/dead").await?;
    browser.press("main > .actions", "Requeue or purge all").await?;
    browser.fill("#d-all input[name=per_second]", "1").await?;
    browser.fill("#d-all input[name=reason]", "a mistake").await?;
    browser.press("#d-all", "Preview").await?;
    browser.wait_for_text("#d-all [data-preview-words]", "2500 ").await?;
    browser.click("#d-all [data-do]").await?;
    browser.wait_for("[data-batch] [data-state=running]").await?;
    browser.press("[data-batch]", "Cancel").await?;
    session.wait_for_notice("Cancelled: the finished part stays done").await?;
    browser.wait_for("[data-batch] [data-state=cancelled]").await?;
    let batch = only_batch(&session).await?;
    assert_eq!(batch.state, BatchState::Cancelled);
    let done = usize::try_from(batch.done)?;
    assert!(done < MANY, "{batch:?}");
    dead_in_mail(&session, |dead| dead == MANY - done).await;
    session.end().await
}

async fn only_batch(session: &BrowserSession) -> Result<Batch> {
    let mut batches = session.setup.client.batches().await?;
    assert_eq!(batches.len(), 1, "{batches:?}");
    Ok(batches.remove(0))
}

async fn dead_in_mail(session: &BrowserSession, matches: impl Fn(usize) -> bool) {
    eventually("the number of dead letters", TIMEOUT, async || {
        let info =
            session.setup.transport().queue_info(&queue("mail")).await?.context("a queue")?;
        anyhow::ensure!(matches(usize::try_from(info.dead)?), "{info:?}");
        Ok(())
    })
    .await;
}
