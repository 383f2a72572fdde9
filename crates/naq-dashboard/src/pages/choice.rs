//! What a page is about, as its address says: a window of time, a queue, a task, a kind of error.

use std::str::FromStr;
use std::time::Duration;

use naq_core::stats::Totals;
use naq_core::{ErrorKind, QueueName, TaskName};

use super::PageError;
use crate::scene::Scene;
use crate::snapshot::Snapshot;
use crate::view::count;

/// Choices that are offered of one kind; who wants another one writes it into the address.
const MAX_CHIPS: usize = 12;

/// How far back a page looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Window {
    Minutes,
    Hour,
    Day,
}

/// A link to the same page with another choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chip {
    pub(super) words: String,
    pub(super) link: String,
    pub(super) here: bool,
}

impl Window {
    const ALL: [Self; 3] = [Self::Minutes, Self::Hour, Self::Day];

    /// The one that the address names, or this one.
    pub(super) fn of(scene: &Scene<'_>, default: Self) -> Result<Self, PageError> {
        let Some(key) = scene.get("window") else { return Ok(default) };
        let found = Self::ALL.into_iter().find(|window| window.key() == key);
        found.ok_or_else(|| PageError::bad("a window is one of 5m, 1h and 24h"))
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::Minutes => "5m",
            Self::Hour => "1h",
            Self::Day => "24h",
        }
    }

    /// After "in the last".
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

    pub(super) fn chips(self, scene: &Scene<'_>) -> Vec<Chip> {
        let chip = |window: Self| Chip {
            words: format!("Last {}", window.words()),
            link: scene.with("window", Some(window.key())),
            here: window == self,
        };
        Self::ALL.map(chip).into()
    }
}

/// What the address says of queue, task and kind; whatever it leaves out fits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Choice {
    pub(super) queue: Option<QueueName>,
    pub(super) task: Option<TaskName>,
    pub(super) kind: Option<ErrorKind>,
}

impl Choice {
    pub(super) fn of(scene: &Scene<'_>) -> Result<Self, PageError> {
        Ok(Self {
            queue: named(scene, "queue")?,
            task: named(scene, "task")?,
            kind: named(scene, "kind")?,
        })
    }

    pub(super) fn is_any(&self) -> bool {
        *self == Self::default()
    }
}

/// The value of this name in the address, read.
pub(super) fn named<T: FromStr<Err: std::fmt::Display>>(
    scene: &Scene<'_>,
    name: &str,
) -> Result<Option<T>, PageError> {
    let read = |text: &str| text.parse().map_err(|err: T::Err| PageError::bad(err.to_string()));
    scene.get(name).map(read).transpose()
}

/// "All" and each of these with its number, for `name` in the address; none when there is nothing to
/// choose from.
pub(super) fn chips<'a>(
    scene: &Scene<'_>,
    name: &str,
    all: &str,
    values: impl IntoIterator<Item = (&'a str, u64)>,
) -> Vec<Chip> {
    let here = scene.get(name);
    let mut counts: Vec<(&str, u64)> = Vec::new();
    for (value, n) in values {
        match counts.iter_mut().find(|(known, _)| *known == value) {
            Some((_, sum)) => *sum += n,
            None => counts.push((value, n)),
        }
    }
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.truncate(MAX_CHIPS);
    // What is chosen is shown as chosen, and can be left, also when there is nothing of it.
    if let Some(chosen) = here.filter(|chosen| counts.iter().all(|(value, _)| value != chosen)) {
        counts.push((chosen, 0));
    }
    if counts.len() < 2 && here.is_none() {
        return Vec::new();
    }
    let first = Chip { words: all.to_owned(), link: scene.with(name, None), here: here.is_none() };
    let chip = |(value, n): &(&str, u64)| Chip {
        words: format!("{value} {}", count(*n)),
        link: scene.with(name, Some(value)),
        here: here == Some(*value),
    };
    std::iter::once(first).chain(counts.iter().map(chip)).collect()
}
