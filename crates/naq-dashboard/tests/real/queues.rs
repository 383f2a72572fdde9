//! A queue is paused, resumed and purged from its page.

use std::time::Duration;

use anyhow::Result;
use naq_core::transport::QueueInfo;
use serde_json::json;

use crate::setup::{BrowserSession, TestSetup, queue};

async fn mail(session: &BrowserSession) -> Result<QueueInfo> {
    let info = session.setup.transport().queue_info(&queue("mail")).await?;
    Ok(info.expect("the queue"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_and_resumed_and_purged_when_its_name_is_typed() -> Result<()> {
    let setup = TestSetup::start().await?;
    for n in 0..5 {
        let job = setup.client.enqueue_task("email.send", &json!({ "n": n }))?;
        job.queue("mail").await?;
    }
    let session = BrowserSession::of(setup).await?;
    session.go("/queues/mail").await?;
    session.number("pending", 5).await?;
    let browser = &session.browser;

    browser.press("main .actions", "Pause").await?;
    browser.choose("#pause select[name=for]", "15m").await?;
    browser.fill("#pause input[name=reason]", "the smtp server is moved").await?;
    browser.press("#pause", "Pause").await?;
    session.wait_for_notice("Paused for 15m").await?;
    browser.wait_for_text("main", "No worker gets a job").await?;
    let until = mail(&session).await?.paused_until.expect("a pause");
    let left = until.since(session.setup.client.now());
    assert!(left > Duration::from_secs(800) && left <= Duration::from_secs(900), "{left:?}");

    browser.press("main .actions", "Resume").await?;
    session.wait_for_notice("Resumed: queue mail").await?;
    assert_eq!(mail(&session).await?.paused_until, None);

    browser.press("main .actions", "Purge").await?;
    let button = "#purge button.danger";
    assert!(browser.attribute(button, "disabled").await?.is_some(), "no name is typed");
    browser.press("#purge", "Count the jobs").await?;
    session.number("purge", 5).await?;
    browser.fill("#purge input[name=confirm]", "mai").await?;
    assert!(browser.attribute(button, "disabled").await?.is_some(), "another name is typed");
    browser.fill("#purge input[name=confirm]", "mail").await?;
    browser.fill("#purge input[name=reason]", "sent by hand").await?;
    browser.press("#purge", "Purge").await?;
    session.wait_for_notice("Removed 5 jobs of queue mail").await?;
    session.number("pending", 0).await?;
    assert_eq!(mail(&session).await?.pending, 0);

    let entries = session.audit_log().await?;
    let lines: Vec<_> =
        entries.iter().map(|e| (&*e.what, &*e.scope, e.count, &*e.reason)).collect();
    assert_eq!(
        lines,
        [
            ("purge", "jobs of queue mail", Some(5), "sent by hand"),
            ("resume", "queue mail", None, ""),
            ("pause", "queue mail, for 15m", None, "the smtp server is moved"),
        ]
    );
    session.end().await
}
