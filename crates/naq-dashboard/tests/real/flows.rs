//! Schedules and workflows: run now, pause, resume, cancel.

use std::time::Duration;

use anyhow::Result;
use naq_client::{ScheduleState, Workflow};
use naq_core::{JobState, ScheduleName};
use naq_testing::eventually;
use serde_json::json;

use crate::world::{PATIENCE, Visit, queue};

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_now_paused_and_resumed() -> Result<()> {
    let visit = Visit::start().await?;
    let client = &visit.world.client;
    let job = client.enqueue_task("report.render", &json!({}))?.queue("reports");
    client.schedule("nightly").cron("30 2 * * *").template(job).await?;
    let name = ScheduleName::new("nightly")?;
    let state = async || client.schedules().get(&name).await.map(|report| report.state);
    let browser = &visit.browser;
    visit.go("/schedules").await?;

    browser.press("[data-schedule=nightly]", "Run now").await?;
    eventually("a run", PATIENCE, async || {
        let info = visit.world.transport().queue_info(&queue("reports")).await;
        info.is_ok_and(|info| info.is_some_and(|info| info.pending == 1))
    })
    .await;
    browser.wait_for_url("/jobs/reports/nightly-run-").await?;
    visit.go("/schedules").await?;
    browser.press("[data-schedule=nightly]", "Pause").await?;
    browser.wait_for_text("[data-schedule=nightly]", "Resume").await?;
    assert_eq!(state().await?, ScheduleState::Paused);
    browser.press("[data-schedule=nightly]", "Resume").await?;
    browser.wait_for_text("[data-schedule=nightly]", "Pause").await?;
    assert_eq!(state().await?, ScheduleState::Active);
    let recorded = visit.recorded().await?;
    assert!(recorded.iter().all(|entry| entry.scope.contains("nightly")), "{recorded:?}");
    assert_eq!(recorded.len(), 3, "{recorded:?}");
    visit.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_cancelled() -> Result<()> {
    let visit = Visit::start().await?;
    let client = &visit.world.client;
    let step = || client.enqueue_task("import.load", &json!({})).map(|job| job.queue("imports"));
    let import = Workflow::new("import")
        .id("import-1")
        .job("extract", step()?.delay(Duration::from_secs(3_600)))
        .job("load", step()?)
        .after("load", ["extract"]);
    client.start(import).await?;
    let browser = &visit.browser;
    visit.go("/workflows").await?;
    browser.press("main", "import-1").await?;
    browser.wait_for("[data-node=extract]").await?;
    browser.press("main", "Cancel…").await?;
    browser.fill("#cancel input[name=reason]", "yesterday's file").await?;
    browser.press("#cancel", "Cancel the workflow").await?;
    visit.job_is("imports", "import-1-extract", JobState::Cancelled).await;
    visit.job_is("imports", "import-1-load", JobState::Cancelled).await;
    browser.wait_for("[data-n=ended][data-value='2']").await?;
    let recorded = visit.recorded().await?;
    assert_eq!((&*recorded[0].what, &*recorded[0].reason), ("cancel", "yesterday's file"));
    visit.end().await
}
