//! A retry storm is shown on every page, and operators act on it: they pause and resume the task, and
//! spread and drip its jobs.

use std::time::Duration;

use anyhow::{Context, Result};
use naq_core::{ErrorKind, Timestamp};
use naq_testing::eventually;
use serde_json::json;

use crate::setup::{BrowserSession, Script, Step, TIMEOUT, queue};

const JOBS: usize = 40;

/// Makes forty jobs that failed three times shortly after each other and are all due in five minutes.
async fn storm() -> Result<BrowserSession> {
    let session = BrowserSession::start().await?;
    let away = Step::fail(ErrorKind::http(503), "503 from https://api.acme.example/v2/items/17");
    let args = json!({ "script": Script::new([away]) });
    let soon = Duration::from_millis(20);
    let later = Duration::from_secs(300);
    for _ in 0..JOBS {
        let job = session.setup.client.enqueue_task("partner.sync", &args)?.queue("partners");
        job.max_retries(5).retry_delay([soon, soon, later]).await?;
    }
    let tasks = session.setup.scripted(&["partner.sync"]);
    let worker = session.setup.worker("ada", &["partners"], tasks).await?;
    eventually("jobs that wait for their fourth attempt", TIMEOUT, async || {
        let dues = due_times(&session).await?;
        let late = session.setup.client.now() + Duration::from_secs(200);
        anyhow::ensure!(dues.len() == JOBS && dues[0] > late, "{dues:?}");
        Ok(())
    })
    .await;
    worker.stop().await?;
    Ok(session)
}

/// The due times of the waiting jobs, sorted.
async fn due_times(session: &BrowserSession) -> Result<Vec<Timestamp>> {
    let page = session.setup.transport().waiting_jobs(&queue("partners"), 0, 1_000).await?;
    let due = |stored: &naq_core::transport::Stored| stored.due_at.context("a time");
    let mut dues = page.jobs.iter().map(due).collect::<Result<Vec<_>>>()?;
    dues.sort_unstable();
    Ok(dues)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_announced_and_reduced_by_a_pause_by_spreading_and_by_dripping() -> Result<()> {
    let session = storm().await?;
    let browser = &session.browser;
    session.go("/").await?;
    browser.wait_for_text(".banner.storm", "partner.sync").await?;
    browser.press(".banner.storm", "Show actions").await?;
    browser.wait_for_text("[data-storm]", "67 % of the starts of partner.sync").await?;
    session.number("due-hour", JOBS as u64).await?;
    browser.press("[data-task='partners/partner.sync']", "Reduce load").await?;
    browser.wait_for_text("#calm", "Reduce the load of partner.sync in partners").await?;

    browser.fill("#calm input[name=for]", "30m").await?;
    browser.press("#calm", "Pause").await?;
    session.wait_for_notice("Paused for 30m: partner.sync in partners").await?;
    let paused = session.setup.client.paused_tasks().await?;
    let [pause] = &paused[..] else { panic!("{paused:?}") };
    assert_eq!((pause.queue.as_str(), pause.task.as_str()), ("partners", "partner.sync"));
    let left = pause.until.expect("an end").since(session.setup.client.now());
    assert!(left > Duration::from_secs(1_700) && left <= Duration::from_secs(1_800), "{left:?}");
    browser.press("[data-paused]", "Resume").await?;
    session.wait_for_notice("Resumed: partner.sync in partners").await?;
    assert_eq!(session.setup.client.paused_tasks().await?.len(), 0);

    let before = due_times(&session).await?;
    browser.click("#calm-form input[value=spread]").await?;
    browser.fill("#calm-form input[name=over]", "20m").await?;
    browser.fill("#calm-form input[name=reason]", "they are back, slowly").await?;
    browser.press("#calm-form", "Preview").await?;
    browser.wait_for_text("#calm-form [data-preview-words]", "40 ").await?;
    browser.click("#calm-form [data-do]").await?;
    session.wait_for_notice("Started: spread").await?;
    browser.wait_for("[data-batch] [data-state=done]").await?;
    let after = due_times(&session).await?;
    assert_eq!(after.len(), JOBS);
    assert!(
        before.iter().zip(&after).all(|(before, after)| after >= before),
        "no job runs earlier"
    );
    let first = after[0];
    let last = after[JOBS - 1];
    assert!(last.since(first) > Duration::from_secs(600), "{first} to {last}");

    session.go("/retries?queue=partners&task=partner.sync").await?;
    browser.click("#calm-form input[value=drip]").await?;
    let rate = "#calm-form input[name=per_second][value='5']";
    browser.fill(rate, "0.02").await?;
    browser.fill("#calm-form input[name=reason]", "one in fifty seconds").await?;
    browser.press("#calm-form", "Preview").await?;
    browser.wait_for_text("#calm-form [data-preview-words]", "40 ").await?;
    browser.click("#calm-form [data-do]").await?;
    session.wait_for_notice("Started: drip").await?;
    eventually("a drip", TIMEOUT, async || {
        let dues = due_times(&session).await?;
        // A job that was not moved may be due at the end of its fifty seconds, and the next one at
        // the start, so the test compares each job with the second one after it.
        let close = |three: &[Timestamp]| three[2].since(three[0]) < Duration::from_secs(49);
        anyhow::ensure!(!dues.windows(3).any(close), "{dues:?}");
        Ok(())
    })
    .await;

    let entries = session.audit_log().await?;
    let actions: Vec<_> = entries.iter().map(|entry| &*entry.what).collect();
    for what in ["drip", "spread", "resume", "pause"] {
        assert!(actions.contains(&what), "{actions:?}");
    }
    session.end().await
}
