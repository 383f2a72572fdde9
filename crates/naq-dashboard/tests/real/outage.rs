//! The broker goes away under an open page, and comes back.

use anyhow::Result;
use serde_json::json;

use crate::setup::{BrowserSession, TestSetup};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_shows_since_when_it_is_outdated_and_recovers_by_itself() -> Result<()> {
    let setup = TestSetup::start().await?;
    send(&setup).await?;
    let mut session = BrowserSession::of(setup).await?;
    session.go("/queues/mail").await?;
    session.number("pending", 1).await?;
    let mark = "document.title = 'the same page'";
    session.browser.run(mark, json!([])).await?;

    session.setup.server.stop()?;
    session.browser.wait_for_text("[data-stale]", "Out of date since").await?;
    session.browser.wait_for_text("[data-n=pending]", "1").await?;
    // A page that is loaded meanwhile shows the same banner.
    session.serves("/queues", "Out of date since").await;
    session.setup.server.restart()?;

    session.browser.wait_gone("[data-stale]").await?;
    send(&session.setup).await?;
    session.number("pending", 2).await?;
    let title = session.browser.run("return document.title", json!([])).await?;
    assert_eq!(title, json!("the same page"), "the page was not reloaded");
    session.end().await
}

async fn send(setup: &TestSetup) -> Result<()> {
    setup.client.enqueue_task("email.send", &json!({}))?.queue("mail").await?;
    Ok(())
}
