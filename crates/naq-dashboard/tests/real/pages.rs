//! Every page in both themes, on a desktop and on a phone.

use std::path::PathBuf;

use anyhow::{Context, Result};
use naq_dashboard::Options;
use naq_testing::{Theme, shared_browser};

use crate::sample_data::SampleData;

/// The names of the screenshots, and the paths of the pages.
const PAGES: [(&str, &str); 20] = [
    ("overview", "/"),
    ("queues", "/queues"),
    ("queue", "/queues/mail"),
    ("jobs", "/jobs"),
    ("job", "/jobs/mail/mail-017"),
    ("find", "/find?q=mail"),
    ("job-retrying", "/jobs/partners/sync-001"),
    ("job-dead", "/jobs/partners/sync-024"),
    ("retries", "/retries"),
    ("helping", "/helping"),
    ("failures", "/failures"),
    ("dead", "/dead"),
    ("batches", "/batches"),
    ("simulator", "/simulator"),
    ("schedules", "/schedules"),
    ("workflows", "/workflows"),
    ("workflow", "/workflows/import-tuesday"),
    ("workers", "/workers"),
    ("broker", "/broker"),
    ("audit", "/audit"),
];

/// With `NAQ_SCREENSHOTS=DIR` the test writes screenshots of all pages to that directory.
#[tokio::test(flavor = "multi_thread")]
async fn every_page_fits_a_desktop_and_a_phone_in_both_themes_without_browser_errors() -> Result<()>
{
    let sample = SampleData::start().await?;
    let mut options = Options::default();
    options.environment = Some("production".into());
    let dashboard = sample.setup.dashboard(options).await?;
    let browser = shared_browser().await;
    let screenshots = std::env::var_os("NAQ_SCREENSHOTS").map(PathBuf::from);
    if let Some(directory) = &screenshots {
        std::fs::create_dir_all(directory)
            .context("cannot create the directory for screenshots")?;
    }

    let mut faults = Vec::new();
    for (name, path) in PAGES {
        browser.window(1280, 800).await?;
        browser.theme(Theme::Light).await?;
        browser.goto(&dashboard.page(path)).await?;
        browser.wait_for("main h1").await?;
        for (width, theme, kind) in [
            (1280, Theme::Light, "light"),
            (1280, Theme::Dark, "dark"),
            (360, Theme::Light, "phone"),
            (360, Theme::Dark, "phone-dark"),
        ] {
            browser.window(width, 800).await?;
            browser.theme(theme).await?;
            let over = browser.overflow().await?;
            if over > 0 {
                faults.push(format!("{path} is {over} pixels wider than {width}"));
            }
            if let Some(directory) = &screenshots {
                browser.screenshot(&directory.join(format!("{name}-{kind}.png"))).await?;
            }
        }
        faults.extend(browser.problems().await?.iter().map(|problem| format!("{path}: {problem}")));
    }
    assert_eq!(faults, [""; 0]);
    Ok(())
}
