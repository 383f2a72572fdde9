//! docs/metrics.md has every metric of the table, as it is there, and no other.
#![cfg(feature = "jobs")]

use naq_core::metrics::{
    ALL, DECODE_REASONS, DEPTH_STATES, MAX_ERROR_KINDS, OTHER_ERROR_KIND, OUTCOMES, SLOT_STATES,
};
use naq_core::stats::UNKNOWN_TASK;

const DOCS: &str = include_str!("../../../docs/metrics.md");

#[test]
fn the_page_has_every_metric_and_no_other() {
    for metric in ALL {
        let labels: Vec<_> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = match labels.is_empty() {
            true => String::new(),
            false => format!(" {}", labels.join(", ")),
        };
        let (name, kind, help) = (metric.name, metric.kind.as_str(), metric.help);
        let row = format!("| `{name}` | {kind} |{labels} | {help} |");
        assert!(DOCS.lines().any(|line| line == row), "docs/metrics.md lacks:\n{row}");
    }
    assert_eq!(DOCS.lines().filter(|line| line.starts_with("| `naq_")).count(), ALL.len());
}

#[test]
fn the_page_has_every_value_of_the_small_labels() {
    let values = [&OUTCOMES[..], &DEPTH_STATES, &SLOT_STATES, &DECODE_REASONS].concat();
    for value in values.into_iter().chain([UNKNOWN_TASK, OTHER_ERROR_KIND]) {
        assert!(DOCS.contains(&format!("`{value}`")), "docs/metrics.md lacks {value}");
    }
    assert!(DOCS.contains(&format!("{MAX_ERROR_KINDS} error kinds")));
}
