//! The policy simulator: its table, and its copy buttons.

use anyhow::Result;
use naq_core::RetryPolicy;
use serde_json::Value;

use crate::setup::BrowserSession;

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_simulated_and_copied_as_rust_as_text_and_as_json() -> Result<()> {
    let session = BrowserSession::start().await?;
    let browser = &session.browser;
    session.go("/simulator").await?;
    browser.fill("input[name=policy]", "exponential:2s,max_retries=4").await?;
    browser.press("main", "Simulate").await?;
    browser.wait_for_url("policy=exponential").await?;
    browser.wait_for_text("main table", "16").await?;
    assert_eq!(browser.count("main table tbody tr").await?, 5, "one attempt and four retries");
    browser.wait_for_text("[data-n=dead]", "30").await?;

    browser.allow_clipboard(&session.dashboard.url).await?;
    for (name, shape) in [("Rust", "max_retries(4)"), ("text", "exponential:2s"), ("JSON", "{")] {
        browser.press("main", &format!("Copy as {name}")).await?;
        session.wait_for_notice("Copied").await?;
        let copied = browser.clipboard().await?;
        assert!(copied.contains(shape), "{name}: {copied}");
        match name {
            "text" => assert_eq!(copied.parse::<RetryPolicy>()?.max_retries(), 4),
            "JSON" => assert_eq!(serde_json::from_str::<Value>(&copied)?["max_retries"], 4),
            _ => {}
        }
        session.go("/simulator?policy=exponential:2s,max_retries=4").await?;
    }

    browser.fill("input[name=policy]", "exponential:2s,max_retries=many").await?;
    browser.press("main", "Simulate").await?;
    browser.wait_for_text("#policy-error", "max_retries").await?;
    session.end().await
}
