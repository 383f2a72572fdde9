//! The broker goes away under an open page, and comes back.

use anyhow::Result;
use serde_json::json;

use crate::world::{Visit, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_page_says_since_when_it_is_stale_and_recovers_by_itself() -> Result<()> {
    let world = World::start().await?;
    send(&world).await?;
    let mut visit = Visit::of(world).await?;
    visit.go("/queues/mail").await?;
    visit.number("pending", 1).await?;
    let mark = "document.title = 'the same page'";
    visit.browser.run(mark, json!([])).await?;

    visit.world.server.stop()?;
    visit.browser.wait_for_text("[data-stale]", "Stale since").await?;
    visit.browser.wait_for_text("[data-n=pending]", "1").await?;
    // A page that is loaded meanwhile says so as well.
    visit.serves("/queues", "Stale since").await;
    visit.world.server.restart()?;

    visit.browser.wait_gone("[data-stale]").await?;
    send(&visit.world).await?;
    visit.number("pending", 2).await?;
    let title = visit.browser.run("return document.title", json!([])).await?;
    assert_eq!(title, json!("the same page"), "nobody loaded it again");
    visit.end().await
}

async fn send(world: &World) -> Result<()> {
    world.client.enqueue_task("email.send", &json!({}))?.queue("mail").await?;
    Ok(())
}
