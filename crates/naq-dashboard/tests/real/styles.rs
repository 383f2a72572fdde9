//! Faults of style sheets.

use anyhow::Result;
use naq_dashboard::Options;
use naq_testing::shared_browser;
use serde_json::{Value, json};

use crate::sample_data::SampleData;

/// Returns tables that are cut off.
const CUT_TABLES: &str = "return [...document.querySelectorAll('.scroll')]
    .filter(table => table.scrollWidth > table.clientWidth).map(table => table.ariaLabel)";
/// Returns the font sizes of the numbers in cards.
const NUMBER_SIZES: &str =
    "return [...new Set([...document.querySelectorAll('.cards .card > b:not(.server)')]
    .map(figure => getComputedStyle(figure).fontSize))]";
/// Returns the colours of free slots that differ from the colour of a line.
const FREE_SLOT_COLOURS: &str =
    "const line = document.body.appendChild(document.createElement('i'));
    line.style.color = 'var(--line)';
    const muted = getComputedStyle(line).color;
    line.remove();
    const free = [...document.querySelectorAll('svg.bar .free')];
    return free.length ? free.map(part => getComputedStyle(part).fill).filter(it => it !== muted)
        : ['no worker has a free slot']";

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_numbers_have_one_size_and_free_slots_are_muted() -> Result<()> {
    let sample = SampleData::start().await?;
    let dashboard = sample.setup.dashboard(Options::default()).await?;
    let browser = shared_browser().await;
    for (path, script, expected) in [
        ("/", CUT_TABLES, json!([])),
        ("/", NUMBER_SIZES, json!(["24.8px"])),
        ("/queues/mail", NUMBER_SIZES, json!(["24.8px"])),
        ("/workers", FREE_SLOT_COLOURS, json!([])),
    ] {
        browser.window(1280, 800).await?;
        browser.goto(&dashboard.page(path)).await?;
        browser.wait_for("main .card, main table").await?;
        let found: Value = browser.run(script, json!([])).await?;
        assert_eq!(found, expected, "{path}");
    }
    Ok(())
}
