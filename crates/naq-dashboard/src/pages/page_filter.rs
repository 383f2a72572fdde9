//! What the query of a page selects: a time window, a queue, a task, an error kind.

use std::str::FromStr;
use std::time::Duration;

use naq_core::stats::Totals;
use naq_core::{ErrorKind, QueueName, TaskName};

use super::PageError;
use crate::page_request::PageRequest;
use crate::snapshot::Snapshot;
use crate::view::count;

/// The most links that a page offers for one filter. The URL can hold any other value.
const MAX_CHIPS: usize = 12;

/// The time that the numbers of a page cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeWindow {
    Minutes,
    Hour,
    Day,
}

/// A link to the same page with another filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilterChip {
    pub(super) words: String,
    pub(super) link: String,
    /// Whether this filter is the current one.
    pub(super) here: bool,
}

impl TimeWindow {
    const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// The window that the query names, or `default`.
    pub(super) fn of(request: &PageRequest<'_>, default: Self) -> Result<Self, PageError> {
        let Some(key) = request.get("window") else { return Ok(default) };
        let found = Self::ALL.into_iter().find(|window| window.key() == key);
        found.ok_or_else(|| PageError::bad_request("the window must be 5m, 1h or 24h"))
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Minutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// The words after "in the last".
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Minutes => "5 minutes",
            Self::Hour => "hour",
            Self::Day => "24 hours",
        }
    }

    pub(super) fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Minutes => 5 * 60,
            Self::Hour => 60 * 60,
            Self::Day => 24 * 60 * 60,
        })
    }

    pub(super) fn totals(self, snapshot: &Snapshot) -> &Totals {
        match self {
            Self::Minutes => &snapshot.minutes,
            Self::Hour => &snapshot.hour,
            Self::Day => &snapshot.day,
        }
    }

    pub(super) fn chips(self, request: &PageRequest<'_>) -> Vec<FilterChip> {
        let chip = |window: Self| FilterChip {
            words: format!("Last {}", window.words()),
            link: request.with("window", Some(window.key())),
            here: window == self,
        };
        Self::ALL.map(chip).into()
    }
}

/// The queue, the task and the error kind that the query names. A name that is left out means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct PageFilter {
    pub(super) queue: Option<QueueName>,
    pub(super) task: Option<TaskName>,
    pub(super) kind: Option<ErrorKind>,
}

impl PageFilter {
    pub(super) fn of(request: &PageRequest<'_>) -> Result<Self, PageError> {
        Ok(Self {
            queue: parsed(request, "queue")?,
            task: parsed(request, "task")?,
            kind: parsed(request, "kind")?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The value of this name in the query, parsed.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(
    request: &PageRequest<'_>,
    name: &str,
) -> Result<Option<T>, PageError> {
    let parse =
        |text: &str| text.parse().map_err(|err: T::Err| PageError::bad_request(err.to_string()));
    request.get(name).map(parse).transpose()
}

/// Links to all values and to each value, with its count, for `name` in the query. No links if there
/// is only one value.
pub(super) fn chips<'a>(
    request: &PageRequest<'_>,
    name: &str,
    all: &str,
    values: impl IntoIterator<Item = (&'a str, u64)>,
) -> Vec<FilterChip> {
    let here = request.get(name);
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for (value, n) in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, sum)) => *sum += n,
            None => counts.push((value, n)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.truncate(MAX_CHIPS);
    // The current value always has a link, also with a count of 0, so that the visitor sees it.
    if let Some(chosen) = here.filter(|chosen| counts.iter().all(|(value, _)| value != chosen)) {
        counts.push((chosen, 0));
    }
    if counts.len() < 2 && here.is_none() {
        return Vec::new();
    }
    let first =
        FilterChip { words: all.to_owned(), link: request.with(name, None), here: here.is_none() };
    let chip = |(value, n): &(&str, u64)| FilterChip {
        words: format!("{value} {}", count(*n)),
        link: request.with(name, Some(value)),
        here: here == Some(*value),
    };
    std::iter::once(first).chain(counts.iter().map(chip)).collect()
}
