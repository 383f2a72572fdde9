//! The numbers in the HTML of the pages.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use naq_core::ErrorKind;
use naq_core::stats::GroupId;

use super::expected::Expected;
use crate::setup::{DashboardServer, TestSetup, task};

/// The pages must have the expected numbers.
pub(super) async fn assert_agree(
    setup: &TestSetup,
    dashboard: &DashboardServer,
    expected: &Expected,
) -> Result<()> {
    let all = expected.all();
    let overview = dashboard.load("/").await?;
    let sum = |by: &BTreeMap<u32, u64>| by.values().sum::<u64>();
    for (name, value) in [
        ("starts", sum(&all.starts)),
        ("completed", sum(&all.completed)),
        ("saved", expected.saved()),
        ("retried", sum(&all.retried)),
        ("dead", sum(&all.dead)),
        ("cancelled", all.cancelled),
        ("expired", all.expired),
        ("crashes", 0),
    ] {
        assert_eq!(outcome(&overview, name)?, value, "{name} of a day, on the overview");
    }
    assert_eq!(number(&overview, "dead")?, expected.dead(), "dead letters, on the overview");
    assert_eq!(number(&dashboard.load("/dead").await?, "dead")?, expected.dead());

    let helping = dashboard.load("/helping?window=24h").await?;
    let shown = rows(&helping, "data-task");
    assert_eq!(shown.len(), super::TASKS.len());
    for (name, row) in shown {
        let tally = expected.task(&task(name));
        for attempt in 1..=4 {
            let value = tally.completed.get(&attempt).copied().unwrap_or(0);
            assert_eq!(number(row, &format!("try-{attempt}"))?, value, "{name}, {attempt}");
        }
        assert_eq!(number(row, "dead")?, sum(&tally.dead), "{name}");
    }

    let failures = dashboard.load("/failures?window=24h").await?;
    let shown = rows(&failures, "data-group");
    assert_eq!(shown.len(), expected.groups.len());
    for ((name, kind, pattern), counts) in &expected.groups {
        let id = GroupId::of(&task(name), &ErrorKind::new(kind.clone())?, pattern).to_string();
        let row = shown.get(&*id).with_context(|| format!("no {name} {kind} {pattern}"))?;
        let shown = ["count", "retried", "dead"].map(|what| number(row, what).ok());
        assert_eq!(shown, [counts.count, counts.retried, counts.dead].map(Some), "{pattern}");
    }
    queues_agree(setup, dashboard, expected).await
}

/// Only dead letters must be left in the queues.
async fn queues_agree(
    setup: &TestSetup,
    dashboard: &DashboardServer,
    expected: &Expected,
) -> Result<()> {
    let mut dead = 0;
    for queue in setup.client.queues().await? {
        let page = dashboard.load(&format!("/queues/{}", queue.name)).await?;
        let left = ["pending", "running", "waiting"].map(|name| number(&page, name).ok());
        assert_eq!(left, [Some(0); 3], "{}", queue.name);
        assert_eq!(number(&page, "dead")?, queue.dead, "{}", queue.name);
        dead += queue.dead;
    }
    assert_eq!(dead, expected.dead());
    Ok(())
}

/// The count of an outcome in the last day, from the overview.
fn outcome(html: &str, name: &str) -> Result<u64> {
    let mark = format!("data-outcome=\"{name}\" data-value=\"");
    let day = html.split(&mark).nth(3).with_context(|| format!("no three {name} in {html}"))?;
    let (digits, _) = day.split_once('"').context("a number in quotes")?;
    Ok(digits.parse()?)
}

/// The parts of `html` from each `<tr ... MARK="` to the next one, by the value of the mark.
fn rows<'a>(html: &'a str, mark: &str) -> BTreeMap<&'a str, &'a str> {
    let start = format!(" {mark}=\"");
    let pieces = html.split("<tr").filter_map(|piece| piece.split_once(&start));
    pieces.filter_map(|(_, rest)| rest.split_once('"')).collect()
}

/// The first number with the name `name` in `html`.
fn number(html: &str, name: &str) -> Result<u64> {
    let mark = format!("data-n=\"{name}\" data-value=\"");
    let (_, rest) = html.split_once(&mark).with_context(|| format!("no {name} in {html}"))?;
    let (digits, _) = rest.split_once('"').context("a number in quotes")?;
    Ok(digits.parse()?)
}
