//! Workers: one is drained, and one lies.

use std::time::Duration;

use anyhow::Result;
use naq_core::transport::{WorkerInfo, WorkerStatus};
use naq_core::{Timestamp, WorkerId};
use naq_testing::eventually;

use crate::world::{PATIENCE, Visit, queue};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_drained_and_the_other_goes_on() -> Result<()> {
    let visit = Visit::start().await?;
    let tasks = || visit.world.scripted(&["email.send"]);
    let ada = visit.world.worker("ada", &["mail"], tasks()).await?;
    let bob = visit.world.worker("bob", &["mail"], tasks()).await?;
    let browser = &visit.browser;
    visit.go("/workers").await?;
    browser.wait_for(&format!("[id='w-{}']", bob.id)).await?;
    browser.press(&format!("[id='w-{}']", ada.id), "Drain").await?;
    browser.wait_for_text("#drain", ada.id.as_str()).await?;
    browser.fill("#drain input[name=reason]", "a new machine").await?;
    browser.press("#drain", "Drain").await?;
    visit.told(&format!("Told to stop: {}", ada.id)).await?;
    browser.wait_gone(&format!("[id='w-{}']", ada.id)).await?;
    ada.ended().await?;
    let alive: Vec<_> = visit.world.client.list_workers().await?;
    assert_eq!(alive.iter().map(|worker| &worker.worker_id).collect::<Vec<_>>(), [&bob.id]);
    let recorded = visit.recorded().await?;
    assert_eq!((&*recorded[0].what, &*recorded[0].reason), ("drain", "a new machine"));
    bob.stop().await?;
    visit.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_lies_is_shown_and_harms_nobody() -> Result<()> {
    let visit = Visit::start().await?;
    let never = Timestamp::from_millis(u64::MAX);
    let liar = |n: u32| WorkerInfo {
        worker_id: WorkerId::new(format!("liar-{n}")).expect("an id"),
        status: WorkerStatus::Busy,
        queues: (0..500).map(|n| queue(&format!("queue-{n}"))).collect(),
        concurrency: 0,
        running: u32::MAX,
        hostname: "\u{202e}</td><script>alert(1)</script>".repeat(20),
        pid: u32::MAX,
        version: "9".repeat(2_000),
        started_at: never,
        heartbeat_at: never,
        finished: u64::MAX,
        failed: u64::MAX,
    };
    for n in 0..50 {
        visit.world.transport().heartbeat(&liar(n), Duration::from_secs(60)).await?;
    }
    let browser = &visit.browser;
    for path in ["/workers", "/", "/queues"] {
        visit.go(path).await?;
        browser.wait_for("nav").await?;
        assert_eq!(browser.overflow().await?, 0, "{path}");
    }
    visit.go("/workers").await?;
    browser.wait_for("[id='w-liar-7']").await?;
    // What is true is shown beside it, and goes on being shown.
    let tasks = visit.world.scripted(&["email.send"]);
    let honest = visit.world.worker("ada", &["mail"], tasks).await?;
    browser.wait_for(&format!("[id='w-{}']", honest.id)).await?;
    honest.stop().await?;
    eventually("liars alone", PATIENCE, async || {
        browser.count("[id^='w-ada']").await.is_ok_and(|n| n == 0)
    })
    .await;
    visit.end().await
}
