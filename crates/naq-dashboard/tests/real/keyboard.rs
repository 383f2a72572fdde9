//! Keyboard shortcuts, filters in the URL, and the theme.

use anyhow::Result;
use naq_testing::Theme;
use serde_json::json;

use crate::setup::BrowserSession;

const ESCAPE: &str = "\u{e00c}";
const ENTER: &str = "\u{e007}";

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_every_page_search_show_help_and_pause_live_updates() -> Result<()> {
    let session = BrowserSession::start().await?;
    let browser = &session.browser;
    session.go("/").await?;
    browser.wait_for("[data-live-switch][data-now=live]").await?;
    let links =
        "return [...document.querySelectorAll('nav a')].map(a => [a.dataset.key, a.pathname])";
    let links = browser.run(links, json!([])).await?;
    let links: Vec<(String, String)> = serde_json::from_value(links)?;
    assert!(links.len() >= 13, "{links:?}");
    for (key, path) in &links {
        browser.keys(&format!("g{key}")).await?;
        browser.wait_for(&format!("nav a[data-key='{key}'][aria-current]")).await?;
        browser.wait_for_url(path).await?;
    }
    browser.keys("gq").await?;
    browser.wait_for_url("/queues").await?;
    browser.wait_for("nav a[data-key=q][aria-current]").await?;
    browser.keys("/mail").await?;
    let typed = browser.run("return document.activeElement.value", json!([])).await?;
    assert_eq!(typed, json!("mail"), "keys typed into the search are not shortcuts");
    browser.run("document.activeElement.blur()", json!([])).await?;

    browser.keys("?").await?;
    browser.wait_for_text("#help[open]", "Search on this page").await?;
    browser.keys(ESCAPE).await?;
    browser.wait_gone("#help[open]").await?;

    browser.keys("p").await?;
    browser.wait_for("[data-live-switch][data-now=paused]").await?;
    let job = session.setup.client.enqueue_task("email.send", &json!({}))?;
    job.queue("mail").await?;
    session.serves("/queues", "q-mail").await;
    assert_eq!(browser.count("#q-mail").await?, 0, "paused");
    browser.keys("p").await?;
    browser.wait_for("#q-mail").await?;

    // The overview has no search of its own, so the key goes to the box at the top of each page.
    session.go("/").await?;
    browser.keys("/EMAIL.s").await?;
    browser.keys(ENTER).await?;
    browser.wait_for_url("/find").await?;
    browser.wait_for_text("[data-table=found]", "email.send").await?;
    session.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_is_in_the_url_and_the_theme_is_remembered() -> Result<()> {
    let session = BrowserSession::start().await?;
    let client = &session.setup.client;
    for (queue, task) in [("mail", "email.send"), ("mail", "email.check"), ("billing", "charge")] {
        client.enqueue_task(task, &json!({}))?.queue(queue).tag("night").await?;
    }
    let browser = &session.browser;
    session.go("/jobs?queue=mail").await?;
    browser.wait_for_text("main", "email.check").await?;
    assert!(!browser.text("main table").await?.contains("charge"), "another queue");
    browser.fill("form.filter [name=task]", "email.send").await?;
    browser.press("form.filter", "Filter").await?;
    browser.wait_for_url("task=email.send").await?;
    browser.wait_for_url("queue=mail").await?;
    assert!(!browser.text("main table").await?.contains("email.check"), "another task");
    let address = browser.url().await?;
    browser.goto(&address).await?;
    assert_eq!(
        browser.attribute("form.filter [name=task]", "value").await?.as_deref(),
        Some("email.send")
    );

    let background = "return getComputedStyle(document.body).backgroundColor";
    let light = browser.run(background, json!([])).await?;
    browser.theme(Theme::Dark).await?;
    let dark = browser.run(background, json!([])).await?;
    assert_ne!(light, dark, "the theme of the system");
    browser.press("header", "Theme: auto").await?;
    browser.press("header", "Theme: light").await?;
    browser.press("header", "Theme: dark").await?;
    browser.press("header", "Theme: auto").await?;
    session.go("/queues").await?;
    browser.wait_for_text("[data-theme-switch]", "Theme: light").await?;
    assert_eq!(browser.run(background, json!([])).await?, light, "the chosen theme stays");
    browser.press("header", "Theme: light").await?;
    browser.press("header", "Theme: dark").await?;
    session.end().await
}
