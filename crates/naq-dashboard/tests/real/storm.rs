//! A retry storm is seen everywhere, and calmed: its task paused and resumed, its jobs spread, and
//! dripped.

use std::time::Duration;

use anyhow::{Context, Result};
use naq_core::{ErrorKind, Timestamp};
use naq_testing::eventually;
use serde_json::json;

use crate::world::{PATIENCE, Script, Step, Visit, queue};

const JOBS: usize = 40;

/// Forty jobs that have failed twice within a moment, and come again together in five minutes.
async fn storm() -> Result<Visit> {
    let visit = Visit::start().await?;
    let away = Step::fail(ErrorKind::http(503), "503 from https://api.acme.example/v2/items/17");
    let args = json!({ "script": Script::new([away]) });
    let (soon, later) = (Duration::from_millis(20), Duration::from_secs(300));
    for _ in 0..JOBS {
        let job = visit.world.client.enqueue_task("partner.sync", &args)?.queue("partners");
        job.max_retries(5).retry_delay([soon, soon, later]).await?;
    }
    let tasks = visit.world.scripted(&["partner.sync"]);
    let hand = visit.world.worker("ada", &["partners"], tasks).await?;
    eventually("jobs that wait for their fourth attempt", PATIENCE, async || {
        let dues = dues(&visit).await?;
        let late = visit.world.client.now() + Duration::from_secs(200);
        anyhow::ensure!(dues.len() == JOBS && dues[0] > late, "{dues:?}");
        Ok(())
    })
    .await;
    hand.stop().await?;
    Ok(visit)
}

/// When the waiting jobs are due, sorted.
async fn dues(visit: &Visit) -> Result<Vec<Timestamp>> {
    let page = visit.world.transport().waiting_jobs(&queue("partners"), 0, 1_000).await?;
    let due = |stored: &naq_core::transport::Stored| stored.due_at.context("a time");
    let mut dues = page.jobs.iter().map(due).collect::<Result<Vec<_>>>()?;
    dues.sort_unstable();
    Ok(dues)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_is_announced_and_calmed_by_a_pause_by_spreading_and_by_dripping() -> Result<()> {
    let visit = storm().await?;
    let browser = &visit.browser;
    visit.go("/").await?;
    browser.wait_for_text(".banner.storm", "partner.sync").await?;
    browser.press(".banner.storm", "What to do").await?;
    browser.wait_for_text("[data-storm]", "67 % of the starts of partner.sync").await?;
    visit.number("due-hour", JOBS as u64).await?;
    browser.press("[data-task='partners/partner.sync']", "Calm").await?;
    browser.wait_for_text("#calm", "Calm partner.sync in partners").await?;

    browser.fill("#calm input[name=for]", "30m").await?;
    browser.press("#calm", "Pause").await?;
    visit.told("Paused for 30 min: partner.sync in partners").await?;
    let paused = visit.world.client.paused_tasks().await?;
    let [pause] = &paused[..] else { panic!("{paused:?}") };
    assert_eq!((pause.queue.as_str(), pause.task.as_str()), ("partners", "partner.sync"));
    let left = pause.until.expect("an end").since(visit.world.client.now());
    assert!(left > Duration::from_secs(1_700) && left <= Duration::from_secs(1_800), "{left:?}");
    browser.press("[data-paused]", "Resume").await?;
    visit.told("Resumed: partner.sync in partners").await?;
    assert_eq!(visit.world.client.paused_tasks().await?.len(), 0);

    let before = dues(&visit).await?;
    browser.click("#calm-form input[value=spread]").await?;
    browser.fill("#calm-form input[name=over]", "20m").await?;
    browser.fill("#calm-form input[name=reason]", "they are back, slowly").await?;
    browser.press("#calm-form", "Preview").await?;
    browser.wait_for_text("#calm-form [data-preview-words]", "40 ").await?;
    browser.click("#calm-form [data-do]").await?;
    visit.told("Begun: spread").await?;
    browser.wait_for("[data-batch] [data-state=done]").await?;
    let after = dues(&visit).await?;
    assert_eq!(after.len(), JOBS);
    assert!(before.iter().zip(&after).all(|(before, after)| after >= before), "none comes earlier");
    let (first, last) = (after[0], after[JOBS - 1]);
    assert!(last.since(first) > Duration::from_secs(600), "{first} to {last}");

    visit.go("/retries?queue=partners&task=partner.sync").await?;
    browser.click("#calm-form input[value=drip]").await?;
    let rate = "#calm-form input[name=per_second][value='5']";
    browser.fill(rate, "0.02").await?;
    browser.fill("#calm-form input[name=reason]", "one in fifty seconds").await?;
    browser.press("#calm-form", "Preview").await?;
    browser.wait_for_text("#calm-form [data-preview-words]", "40 ").await?;
    browser.click("#calm-form [data-do]").await?;
    visit.told("Begun: drip").await?;
    eventually("a drip", PATIENCE, async || {
        let dues = dues(&visit).await?;
        // One that was not moved may stand at the end of its fifty seconds, the next at the begin.
        let close = |three: &[Timestamp]| three[2].since(three[0]) < Duration::from_secs(49);
        anyhow::ensure!(!dues.windows(3).any(close), "{dues:?}");
        Ok(())
    })
    .await;

    let recorded = visit.recorded().await?;
    let whats: Vec<_> = recorded.iter().map(|entry| &*entry.what).collect();
    for what in ["drip", "spread", "resume", "pause"] {
        assert!(whats.contains(&what), "{whats:?}");
    }
    visit.end().await
}
