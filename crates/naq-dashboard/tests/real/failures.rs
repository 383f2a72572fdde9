//! Actions on an error group.

use std::time::Duration;

use anyhow::Result;
use naq_core::{ErrorKind, JobState};
use serde_json::json;

use crate::setup::{BrowserSession, Script, Step};

#[tokio::test(flavor = "multi_thread")]
async fn the_jobs_of_an_error_group_are_released_and_requeued() -> Result<()> {
    let session = BrowserSession::start().await?;
    let client = &session.setup.client;
    for n in 0..4 {
        let refused = Step::fail(ErrorKind::CONNECTION, format!("10.0.0.{n} refused"));
        let args = json!({ "script": Script::new([refused]) });
        let job = client.enqueue_task("order.sync", &args)?.queue("orders");
        // Two jobs die at their first attempt, two wait for an hour.
        let retries = if n < 2 { 0 } else { 1 };
        let job = job.id(format!("order-{n}")).max_retries(retries);
        job.retry_delay(Duration::from_secs(3_600)).await?;
    }
    let other = Script::new([Step::fatal(ErrorKind::VALUE, "no lines")]);
    let job = client.enqueue_task("order.sync", &json!({ "script": other }))?;
    job.queue("orders").id("other").await?;
    let tasks = session.setup.scripted(&["order.sync"]);
    let worker = session.setup.worker("ada", &["orders"], tasks).await?;
    for id in ["order-0", "order-1", "other"] {
        session.job_is("orders", id, JobState::Dead).await;
    }
    for id in ["order-2", "order-3"] {
        session.job_is("orders", id, JobState::Retrying).await;
    }
    worker.stop().await?;

    let browser = &session.browser;
    session.go("/failures").await?;
    session.number("failures", 5).await?;
    assert_eq!(browser.count("[data-group]").await?, 2);
    browser.press("main", "… refused").await?;
    session.number("count", 4).await?;
    session.number("retried", 2).await?;
    session.number("dead", 2).await?;

    browser.press("main > .actions", "Release or cancel its waiting jobs").await?;
    browser.click("#d-group-waiting input[value=release]").await?;
    browser.fill("#d-group-waiting input[name=reason]", "it is back").await?;
    browser.press("#d-group-waiting", "Preview").await?;
    browser.wait_for_text("#d-group-waiting [data-preview-words]", "2 ").await?;
    browser.click("#d-group-waiting [data-do]").await?;
    session.wait_for_notice("Started: release").await?;
    for id in ["order-2", "order-3"] {
        session.job_is("orders", id, JobState::Pending).await;
    }

    browser.press("main > .actions", "Requeue or purge its dead letters").await?;
    browser.fill("#d-group-dead input[name=reason]", "it is back").await?;
    browser.press("#d-group-dead", "Preview").await?;
    browser.wait_for_text("#d-group-dead [data-preview-words]", "2 ").await?;
    browser.click("#d-group-dead [data-do]").await?;
    session.wait_for_notice("Started: requeue").await?;
    for id in ["order-0", "order-1"] {
        session.job_is("orders", id, JobState::Scheduled).await;
    }
    session.job_is("orders", "other", JobState::Dead).await;
    session.end().await
}
