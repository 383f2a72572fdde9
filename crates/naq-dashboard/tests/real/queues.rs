//! A queue is paused, resumed and purged from its page.

use std::time::Duration;

use anyhow::Result;
use naq_core::transport::QueueInfo;
use serde_json::json;

use crate::world::{Visit, World, queue};

async fn mail(visit: &Visit) -> Result<QueueInfo> {
    let info = visit.world.transport().queue_info(&queue("mail")).await?;
    Ok(info.expect("the queue"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_resumed_and_purged_once_its_name_is_typed() -> Result<()> {
    let world = World::start().await?;
    for n in 0..5 {
        let job = world.client.enqueue_task("email.send", &json!({ "n": n }))?;
        job.queue("mail").await?;
    }
    let visit = Visit::of(world).await?;
    visit.go("/queues/mail").await?;
    visit.number("pending", 5).await?;
    let browser = &visit.browser;

    browser.press("main .actions", "Pause").await?;
    browser.choose("#pause select[name=for]", "15m").await?;
    browser.fill("#pause input[name=reason]", "the smtp server is moved").await?;
    browser.press("#pause", "Pause").await?;
    visit.told("Paused for 15 min").await?;
    browser.wait_for_text("main", "Paused: hands out no jobs").await?;
    let until = mail(&visit).await?.paused_until.expect("a pause");
    let left = until.since(visit.world.client.now());
    assert!(left > Duration::from_secs(800) && left <= Duration::from_secs(900), "{left:?}");

    browser.press("main .actions", "Resume").await?;
    visit.told("Resumed: queue mail").await?;
    assert_eq!(mail(&visit).await?.paused_until, None);

    browser.press("main .actions", "Purge").await?;
    let button = "#purge button.danger";
    assert!(browser.attribute(button, "disabled").await?.is_some(), "nothing is typed yet");
    browser.press("#purge", "Count them").await?;
    visit.number("purge", 5).await?;
    browser.fill("#purge input[name=confirm]", "mai").await?;
    assert!(browser.attribute(button, "disabled").await?.is_some(), "another name");
    browser.fill("#purge input[name=confirm]", "mail").await?;
    browser.fill("#purge input[name=reason]", "sent by hand").await?;
    browser.press("#purge", "Purge").await?;
    visit.told("Removed 5 jobs of queue mail").await?;
    visit.number("pending", 0).await?;
    assert_eq!(mail(&visit).await?.pending, 0);

    let recorded = visit.recorded().await?;
    let lines: Vec<_> =
        recorded.iter().map(|e| (&*e.what, &*e.scope, e.count, &*e.reason)).collect();
    assert_eq!(
        lines,
        [
            ("purge", "jobs of queue mail", Some(5), "sent by hand"),
            ("resume", "queue mail", None, ""),
            ("pause", "queue mail, for 15 min", None, "the smtp server is moved"),
        ]
    );
    visit.end().await
}
