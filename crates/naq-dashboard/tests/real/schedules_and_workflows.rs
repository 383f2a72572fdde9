//! Actions on schedules and workflows: run now, pause, resume, cancel.

use std::time::Duration;

use anyhow::Result;
use naq_client::{ScheduleState, Workflow};
use naq_core::{JobState, ScheduleName};
use naq_testing::eventually;
use serde_json::json;

use crate::setup::{BrowserSession, TIMEOUT, queue};

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_is_run_now_paused_and_resumed() -> Result<()> {
    let session = BrowserSession::start().await?;
    let client = &session.setup.client;
    let job = client.enqueue_task("report.render", &json!({}))?.queue("reports");
    client.schedule("nightly").cron("30 2 * * *").template(job).await?;
    let name = ScheduleName::new("nightly")?;
    let state = async || client.schedules().get(&name).await.map(|report| report.state);
    let browser = &session.browser;
    session.go("/schedules").await?;

    browser.press("[data-schedule=nightly]", "Run now").await?;
    eventually("a run", TIMEOUT, async || {
        let info = session.setup.transport().queue_info(&queue("reports")).await;
        info.is_ok_and(|info| info.is_some_and(|info| info.pending == 1))
    })
    .await;
    browser.wait_for_url("/jobs/reports/nightly-run-").await?;
    session.go("/schedules").await?;
    browser.press("[data-schedule=nightly]", "Pause").await?;
    browser.wait_for_text("[data-schedule=nightly]", "Resume").await?;
    assert_eq!(state().await?, ScheduleState::Paused);
    browser.press("[data-schedule=nightly]", "Resume").await?;
    browser.wait_for_text("[data-schedule=nightly]", "Pause").await?;
    assert_eq!(state().await?, ScheduleState::Active);
    let entries = session.audit_log().await?;
    assert!(entries.iter().all(|entry| entry.scope.contains("nightly")), "{entries:?}");
    assert_eq!(entries.len(), 3, "{entries:?}");
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_is_cancelled() -> Result<()> {
    let session = BrowserSession::start().await?;
    let client = &session.setup.client;
    let step = || client.enqueue_task("import.load", &json!({})).map(|job| job.queue("imports"));
    let import = Workflow::new("import")
        .id("import-1")
        .job("extract", step()?.delay(Duration::from_secs(3_600)))
        .job("load", step()?)
        .after("load", ["extract"]);
    client.start(import).await?;
    let browser = &session.browser;
    session.go("/workflows").await?;
    browser.press("main", "import-1").await?;
    browser.wait_for("[data-node=extract]").await?;
    browser.press("main", "Cancel…").await?;
    browser.fill("#cancel input[name=reason]", "yesterday's file").await?;
    browser.press("#cancel", "Cancel the workflow").await?;
    session.job_is("imports", "import-1-extract", JobState::Cancelled).await;
    session.job_is("imports", "import-1-load", JobState::Cancelled).await;
    browser.wait_for("[data-n=ended][data-value='2']").await?;
    let entries = session.audit_log().await?;
    assert_eq!((&*entries[0].what, &*entries[0].reason), ("cancel", "yesterday's file"));
    session.end().await
}
