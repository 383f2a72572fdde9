//! Does retrying help? At which attempt jobs succeed, and how many late attempts succeed.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use naq_core::stats::{Counts, FewerRetries, Helped, UNKNOWN_TASK};
use naq_core::{QueueName, TaskName};

use super::overview::known_since;
use super::page_filter::{self, FilterChip, PageFilter, TimeWindow};
use super::{NavTab, PageContent, PageError};
use crate::chart::{StackedPart, stacked};
use crate::links::encode;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, count, percent};

/// Columns for attempts; the last column also counts all later attempts.
const COLUMNS: u32 = 5;
const CLASSES: [&str; COLUMNS as usize] = ["try-1", "try-2", "try-3", "try-4", "try-5"];
const ORDINALS: [&str; COLUMNS as usize] = ["1st", "2nd", "3rd", "4th", "5th and later"];

#[derive(Template)]
#[template(path = "retry_help.html")]
struct RetryHelpPage {
    windows: Vec<FilterChip>,
    queues: Vec<FilterChip>,
    words: &'static str,
    all: RetryHelpRow,
    rows: Vec<RetryHelpRow>,
    /// When the statistics start, if they cover less than a day.
    known_since: Option<RelativeTime>,
}

struct RetryHelpRow {
    task: String,
    queues: String,
    /// Jobs by the attempt at which they succeeded.
    tries: Vec<RetryHelpCell>,
    dead: RetryHelpCell,
    saved: String,
    bar: String,
    sentence: String,
    hint: Option<String>,
    /// The link to the policy simulator with this task.
    simulator: Option<String>,
    failures: u64,
    ended: u64,
}

struct RetryHelpCell {
    name: String,
    value: u64,
    words: String,
}

impl RetryHelpCell {
    fn new(name: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), value, words: count(value) }
    }
}

impl RetryHelpRow {
    fn new(
        request: &PageRequest<'_>,
        task: &str,
        queues: &BTreeSet<&QueueName>,
        counts: &Counts,
    ) -> Self {
        let helped = Helped::of(counts);
        let at = |attempt: u32| match attempt {
            COLUMNS => counts.completed.from(attempt),
            _ => counts.completed.at(attempt),
        };
        let tries: Vec<u64> = (1..=COLUMNS).map(at).collect();
        let part = |class, ordinal: &str, n: u64| StackedPart {
            class,
            count: n,
            words: format!("{} succeeded at the {ordinal} attempt", count(n)),
        };
        let mut parts: Vec<_> = CLASSES
            .iter()
            .zip(ORDINALS)
            .zip(&tries)
            .map(|((class, ordinal), n)| part(*class, ordinal, *n))
            .collect();
        let words = format!("{} dead", count(helped.dead));
        parts.push(StackedPart { class: "dead", count: helped.dead, words });
        let shown: Vec<_> =
            parts.iter().filter(|part| part.count > 0).map(|part| part.words.as_str()).collect();
        let queues: Vec<_> = queues.iter().map(|queue| queue.as_str()).collect();
        let known = !task.is_empty() && task != UNKNOWN_TASK;
        Self {
            task: task.to_owned(),
            queues: queues.join(", "),
            bar: stacked(&parts, &shown.join(", ")),
            tries: (1..)
                .zip(&tries)
                .map(|(at, n)| RetryHelpCell::new(format!("try-{at}"), *n))
                .collect(),
            dead: RetryHelpCell::new("dead", helped.dead),
            saved: percent(helped.share_from(2)),
            sentence: helped.to_string(),
            hint: FewerRetries::of(counts).map(|advice| advice.to_string()),
            simulator: known.then(|| request.link(&format!("/simulator?task={}", encode(task)))),
            failures: helped.failures(),
            ended: helped.ended(),
        }
    }
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let window = TimeWindow::of(request, TimeWindow::Hour)?;
    let PageFilter { queue, task, .. } = PageFilter::of(request)?;
    let totals = window.totals(&request.snapshot);
    let mut tasks: BTreeMap<&TaskName, (BTreeSet<&QueueName>, Counts)> = BTreeMap::new();
    let mut all = Counts::default();
    for (of_queue, of_task, counts) in totals.tasks() {
        let matches = queue.as_ref().is_none_or(|queue| queue == of_queue)
            && task.as_ref().is_none_or(|task| task == of_task);
        if matches {
            let (queues, sum) = tasks.entry(of_task).or_default();
            queues.insert(of_queue);
            sum.add(counts);
            all.add(counts);
        }
    }
    let row = |(task, (queues, counts)): (&&TaskName, &(BTreeSet<_>, Counts))| {
        RetryHelpRow::new(request, task.as_str(), queues, counts)
    };
    let mut rows: Vec<_> = tasks.iter().map(row).filter(|row| row.ended > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.failures, row.ended)));
    let by_queue = totals.tasks().map(|(queue, _, counts)| (queue.as_str(), counts.ended()));
    let page = RetryHelpPage {
        windows: window.chips(request),
        queues: page_filter::chips(request, "queue", "All queues", by_queue),
        words: window.words(),
        all: RetryHelpRow::new(request, "", &BTreeSet::new(), &all),
        rows,
        known_since: known_since(&request.snapshot.history(), request.now()),
    };
    Ok(PageContent {
        title: "Does retrying help?".into(),
        tab: NavTab::RetryHelp,
        body: page.render()?,
    })
}
