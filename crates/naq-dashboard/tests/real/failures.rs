//! An error group is acted on from its page.

use std::time::Duration;

use anyhow::Result;
use naq_core::{ErrorKind, JobState};
use serde_json::json;

use crate::world::{Script, Step, Visit};

#[tokio::test(flavor = "multi_thread")]
async fn a_group_of_failures_is_found_and_its_jobs_are_requeued_and_released() -> Result<()> {
    let visit = Visit::start().await?;
    let client = &visit.world.client;
    for n in 0..4 {
        let refused = Step::fail(ErrorKind::CONNECTION, format!("10.0.0.{n} refused"));
        let args = json!({ "script": Script::new([refused]) });
        let job = client.enqueue_task("order.sync", &args)?.queue("orders");
        // Two die at once, two wait for an hour.
        let retries = if n < 2 { 0 } else { 1 };
        let job = job.id(format!("order-{n}")).max_retries(retries);
        job.retry_delay(Duration::from_secs(3_600)).await?;
    }
    let other = Script::new([Step::fatal(ErrorKind::VALUE, "no lines")]);
    let job = client.enqueue_task("order.sync", &json!({ "script": other }))?;
    job.queue("orders").id("other").await?;
    let tasks = visit.world.scripted(&["order.sync"]);
    let hand = visit.world.worker("ada", &["orders"], tasks).await?;
    for id in ["order-0", "order-1", "other"] {
        visit.job_is("orders", id, JobState::Dead).await;
    }
    for id in ["order-2", "order-3"] {
        visit.job_is("orders", id, JobState::Retrying).await;
    }
    hand.stop().await?;

    let browser = &visit.browser;
    visit.go("/failures").await?;
    visit.number("failures", 5).await?;
    assert_eq!(browser.count("[data-group]").await?, 2);
    browser.press("main", "… refused").await?;
    visit.number("count", 4).await?;
    visit.number("retried", 2).await?;
    visit.number("dead", 2).await?;

    browser.press("main > .actions", "Release or cancel its waiting jobs").await?;
    browser.click("#d-group-waiting input[value=release]").await?;
    browser.fill("#d-group-waiting input[name=reason]", "it is back").await?;
    browser.press("#d-group-waiting", "Preview").await?;
    browser.wait_for_text("#d-group-waiting [data-preview-words]", "2 ").await?;
    browser.click("#d-group-waiting [data-do]").await?;
    visit.told("Begun: release").await?;
    for id in ["order-2", "order-3"] {
        visit.job_is("orders", id, JobState::Pending).await;
    }

    browser.press("main > .actions", "Requeue or purge its dead letters").await?;
    browser.fill("#d-group-dead input[name=reason]", "it is back").await?;
    browser.press("#d-group-dead", "Preview").await?;
    browser.wait_for_text("#d-group-dead [data-preview-words]", "2 ").await?;
    browser.click("#d-group-dead [data-do]").await?;
    visit.told("Begun: requeue").await?;
    for id in ["order-0", "order-1"] {
        visit.job_is("orders", id, JobState::Scheduled).await;
    }
    visit.job_is("orders", "other", JobState::Dead).await;
    visit.end().await
}
