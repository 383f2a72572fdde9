//! What a style sheet can get wrong.

use anyhow::Result;
use naq_dashboard::Options;
use naq_testing::shared_browser;
use serde_json::{Value, json};

use crate::company::Company;

/// Tables that are cut off.
const CUT: &str = "return [...document.querySelectorAll('.scroll')]
    .filter(table => table.scrollWidth > table.clientWidth).map(table => table.ariaLabel)";
/// The sizes of the figures.
const SIZES: &str =
    "return [...new Set([...document.querySelectorAll('.cards .card > b:not(.server)')]
    .map(figure => getComputedStyle(figure).fontSize))]";
/// The colours of the free slots that are not the colour of a line.
const LOUD: &str = "const line = document.body.appendChild(document.createElement('i'));
    line.style.color = 'var(--line)';
    const muted = getComputedStyle(line).color;
    line.remove();
    const free = [...document.querySelectorAll('svg.bar .free')];
    return free.length ? free.map(part => getComputedStyle(part).fill).filter(it => it !== muted)
        : ['no worker has a free slot']";

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_room_figures_are_alike_and_free_slots_are_muted() -> Result<()> {
    let company = Company::open().await?;
    let site = company.world.dashboard(Options::default()).await?;
    let browser = shared_browser().await;
    for (path, script, expected) in [
        ("/", CUT, json!([])),
        ("/", SIZES, json!(["24.8px"])),
        ("/queues/mail", SIZES, json!(["24.8px"])),
        ("/workers", LOUD, json!([])),
    ] {
        browser.window(1280, 800).await?;
        browser.goto(&site.page(path)).await?;
        browser.wait_for("main .card, main table").await?;
        let found: Value = browser.run(script, json!([])).await?;
        assert_eq!(found, expected, "{path}");
    }
    Ok(())
}
