//! Tests of the browser harness on a small page.

mod page;

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use naq_testing::{Browser, Theme, eventually, shared_browser};
use page::Page;
use serde_json::json;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_user_reads_clicks_types_and_chooses() -> Result<()> {
    let page = Page::serve(include_str!("page.html")).await?;
    let browser = shared_browser().await;
    browser.goto(&page.url).await?;

    browser.wait_for_text("h1", "A page").await?;
    assert_eq!(browser.attribute("h1", "data-kind").await?.as_deref(), Some("title"));
    assert_eq!(browser.attribute("h1", "nothing").await?, None);
    assert_eq!(browser.texts("li").await?, ["one", "two"]);

    browser.click("#late").await?; // the script creates it after a while
    browser.wait_for_text("#said", "late").await?;
    browser.press("main", "Say it").await?;
    browser.wait_for_text("#said", "it").await?;
    browser.wait_gone("#late").await?;

    browser.fill("#name", "mail").await?;
    browser.fill("#name", "post").await?;
    browser.choose("#size", "l").await?;
    let form = "return [...document.querySelectorAll('#name, #size')].map(e => e.value)";
    assert_eq!(browser.run(form, json!([])).await?, json!(["post", "l"]));

    browser.run("document.activeElement.blur()", json!([])).await?;
    browser.keys("?").await?;
    browser.wait_for_text("#said", "help").await?;
    assert_eq!(browser.problems().await?, [""; 0]);
    Ok(())
}

#[tokio::test]
async fn it_sets_theme_and_window_size_and_takes_screenshots_of_the_whole_page() -> Result<()> {
    let page = Page::serve(include_str!("page.html")).await?;
    let browser = shared_browser().await;
    browser.goto(&page.url).await?;
    let background = "return getComputedStyle(document.body).backgroundColor";
    assert_eq!(browser.run(background, json!([])).await?, json!("rgb(255, 255, 255)"));

    browser.theme(Theme::Dark).await?;
    assert_eq!(browser.run(background, json!([])).await?, json!("rgb(0, 0, 0)"));
    assert_eq!(browser.overflow().await?, 0);
    browser.window(360, 640).await?;
    assert_eq!(browser.overflow().await?, 40, "the table is 400 pixels wide");

    let directory = tempfile::tempdir()?;
    let file = directory.path().join("page.png");
    browser.screenshot(&file).await?;
    let png = std::fs::read(file)?;
    assert_eq!(png[..4], *b"\x89PNG");
    let size = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().unwrap());
    assert_eq!(
        (size(16), size(20) >= 2000),
        (400, true),
        "the whole page, not only the visible part"
    );
    Ok(())
}

#[tokio::test]
async fn it_reads_the_clipboard() -> Result<()> {
    let page = Page::serve(include_str!("page.html")).await?;
    let browser = shared_browser().await;
    browser.goto(&page.url).await?;
    browser.allow_clipboard(page.url.trim_end_matches('/')).await?;
    browser.press("body", "Copy").await?;
    eventually("a copy", SOON, async || {
        browser.clipboard().await.is_ok_and(|text| text == "copied")
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn policy_violations_and_script_exceptions_are_problems() -> Result<()> {
    let page = Page::serve(include_str!("page.html")).await?;
    let browser = shared_browser().await;
    browser.goto(&page.url).await?;
    assert_eq!(browser.problems().await?, [""; 0]);

    browser
        .run("document.body.insertAdjacentHTML('beforeend', '<p style=\"color: red\">')", json!([]))
        .await?;
    browser.press("main", "Throw").await?;
    let mut seen = Vec::new();
    eventually("both problems", SOON, async || {
        seen.extend(browser.problems().await?);
        let both = ["Content Security Policy", "thrown on purpose"];
        anyhow::ensure!(both.iter().all(|what| seen.iter().any(|p| p.contains(what))), "{seen:?}");
        Ok(())
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn a_failed_wait_reports_the_text_of_the_page() -> Result<()> {
    let page = Page::serve(include_str!("page.html")).await?;
    let mut browser = shared_browser().await;
    browser.set_time_limit(Duration::from_secs(1));
    browser.goto(&page.url).await?;
    let error = browser.wait_for_text("h1", "Another").await.unwrap_err().to_string();
    assert!(error.contains("its text is \"A page\"") && error.contains("Say it"), "{error}");
    Ok(())
}

#[tokio::test]
async fn a_dropped_browser_leaves_no_process() -> Result<()> {
    let browser = Browser::start().await?;
    let mut command = Command::new("ps");
    command.args(["-eo", "pgid=,args="]);
    let group = format!("{} ", browser.pid());
    let mut running = || -> Result<usize> {
        let list = String::from_utf8(command.output()?.stdout)?;
        Ok(list.lines().filter(|line| line.trim_start().starts_with(&group)).count())
    };
    assert!(running()? > 2, "chromedriver, the browser, and its renderer");
    drop(browser);
    eventually("all of them to end", SOON, async || running().is_ok_and(|left| left == 0)).await;
    Ok(())
}
