//! Workers: one is drained, and some send impossible heartbeats.

use std::time::Duration;

use anyhow::Result;
use naq_core::transport::{WorkerInfo, WorkerStatus};
use naq_core::{Timestamp, WorkerId};
use naq_testing::eventually;

use crate::setup::{BrowserSession, TIMEOUT, queue};

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_drained_and_the_other_one_stays() -> Result<()> {
    let session = BrowserSession::start().await?;
    let tasks = || session.setup.scripted(&["email.send"]);
    let ada = session.setup.worker("ada", &["mail"], tasks()).await?;
    let bob = session.setup.worker("bob", &["mail"], tasks()).await?;
    let browser = &session.browser;
    session.go("/workers").await?;
    browser.wait_for(&format!("[id='w-{}']", bob.id)).await?;
    browser.press(&format!("[id='w-{}']", ada.id), "Drain").await?;
    browser.wait_for_text("#drain", ada.id.as_str()).await?;
    browser.fill("#drain input[name=reason]", "a new machine").await?;
    browser.press("#drain", "Drain").await?;
    session.wait_for_notice(&format!("Worker {} drains", ada.id)).await?;
    browser.wait_gone(&format!("[id='w-{}']", ada.id)).await?;
    ada.ended().await?;
    let alive: Vec<_> = session.setup.client.list_workers().await?;
    assert_eq!(alive.iter().map(|worker| &worker.worker_id).collect::<Vec<_>>(), [&bob.id]);
    let entries = session.audit_log().await?;
    assert_eq!((&*entries[0].what, &*entries[0].reason), ("drain", "a new machine"));
    bob.stop().await?;
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_heartbeats_are_shown_and_break_no_page() -> Result<()> {
    let session = BrowserSession::start().await?;
    let max = Timestamp::from_millis(u64::MAX);
    let impossible = |n: u32| WorkerInfo {
        worker_id: WorkerId::new(format!("impossible-{n}")).expect("an id"),
        status: WorkerStatus::Busy,
        queues: (0..500).map(|n| queue(&format!("queue-{n}"))).collect(),
        concurrency: 0,
        running: u32::MAX,
        hostname: "\u{202e}</td><script>alert(1)</script>".repeat(20),
        pid: u32::MAX,
        version: "9".repeat(2_000),
        started_at: max,
        heartbeat_at: max,
        finished: u64::MAX,
        failed: u64::MAX,
        signed: Vec::new(),
    };
    for n in 0..50 {
        session.setup.transport().heartbeat(&impossible(n), Duration::from_secs(60)).await?;
    }
    let browser = &session.browser;
    for path in ["/workers", "/", "/queues"] {
        session.go(path).await?;
        browser.wait_for("nav").await?;
        assert_eq!(browser.overflow().await?, 0, "{path}");
    }
    session.go("/workers").await?;
    browser.wait_for("[id='w-impossible-7']").await?;
    // An honest worker appears beside them, and disappears when it stops.
    let tasks = session.setup.scripted(&["email.send"]);
    let honest = session.setup.worker("ada", &["mail"], tasks).await?;
    browser.wait_for(&format!("[id='w-{}']", honest.id)).await?;
    honest.stop().await?;
    eventually("only the impossible workers", TIMEOUT, async || {
        browser.count("[id^='w-ada']").await.is_ok_and(|n| n == 0)
    })
    .await;
    session.end().await
}
