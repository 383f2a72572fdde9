//! Does retrying help? At which attempt jobs succeed, and what the late attempts are worth.

use std::collections::{BTreeMap, BTreeSet};

use askama::Template;
use naq_core::stats::{Counts, FewerRetries, Helped, UNKNOWN_TASK};
use naq_core::{QueueName, TaskName};

use super::choice::{self, Chip, Choice, Window};
use super::overview::known_since;
use super::{Content, PageError, Tab};
use crate::chart::{Part, stacked};
use crate::scene::{Scene, encode};
use crate::view::{Moment, count, percent};

/// Attempts with a column of their own; the last stands for all after it, too.
const COLUMNS: u32 = 5;
const CLASSES: [&str; COLUMNS as usize] = ["try-1", "try-2", "try-3", "try-4", "try-5"];
const ORDINALS: [&str; COLUMNS as usize] = ["1st", "2nd", "3rd", "4th", "5th and later"];

#[derive(Template)]
#[template(path = "helping.html")]
struct Helping {
    windows: Vec<Chip>,
    queues: Vec<Chip>,
    words: &'static str,
    all: Row,
    rows: Vec<Row>,
    /// Since when anything is known, where that is less than the day.
    known_since: Option<Moment>,
}

struct Row {
    task: String,
    queues: String,
    /// Jobs by the attempt at which they succeeded.
    tries: Vec<Cell>,
    dead: Cell,
    saved: String,
    bar: String,
    sentence: String,
    hint: Option<String>,
    /// Where another policy can be tried on it.
    simulator: Option<String>,
    failures: u64,
    ended: u64,
}

struct Cell {
    name: String,
    value: u64,
    words: String,
}

impl Cell {
    fn new(name: impl Into<String>, value: u64) -> Self {
        Self { name: name.into(), value, words: count(value) }
    }
}

impl Row {
    fn new(scene: &Scene<'_>, task: &str, queues: &BTreeSet<&QueueName>, counts: &Counts) -> Self {
        let helped = Helped::of(counts);
        let at = |attempt: u32| match attempt {
            COLUMNS => counts.completed.from(attempt),
            _ => counts.completed.at(attempt),
        };
        let tries: Vec<u64> = (1..=COLUMNS).map(at).collect();
        let part = |class, ordinal: &str, n: u64| Part {
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
        let words = format!("{} died", count(helped.dead));
        parts.push(Part { class: "dead", count: helped.dead, words });
        let shown: Vec<_> =
            parts.iter().filter(|part| part.count > 0).map(|part| part.words.as_str()).collect();
        let queues: Vec<_> = queues.iter().map(|queue| queue.as_str()).collect();
        let known = !task.is_empty() && task != UNKNOWN_TASK;
        Self {
            task: task.to_owned(),
            queues: queues.join(", "),
            bar: stacked(&parts, &shown.join(", ")),
            tries: (1..).zip(&tries).map(|(at, n)| Cell::new(format!("try-{at}"), *n)).collect(),
            dead: Cell::new("dead", helped.dead),
            saved: percent(helped.share_from(2)),
            sentence: helped.to_string(),
            hint: FewerRetries::of(counts).map(|advice| advice.to_string()),
            simulator: known.then(|| scene.link(&format!("/simulator?task={}", encode(task)))),
            failures: helped.failures(),
            ended: helped.ended(),
        }
    }
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let window = Window::of(scene, Window::Hour)?;
    let Choice { queue, task, .. } = Choice::of(scene)?;
    let totals = window.totals(&scene.snapshot);
    let mut tasks: BTreeMap<&TaskName, (BTreeSet<&QueueName>, Counts)> = BTreeMap::new();
    let mut all = Counts::default();
    for (of_queue, of_task, counts) in totals.tasks() {
        let fits = queue.as_ref().is_none_or(|queue| queue == of_queue)
            && task.as_ref().is_none_or(|task| task == of_task);
        if fits {
            let (queues, sum) = tasks.entry(of_task).or_default();
            queues.insert(of_queue);
            sum.add(counts);
            all.add(counts);
        }
    }
    let row = |(task, (queues, counts)): (&&TaskName, &(BTreeSet<_>, Counts))| {
        Row::new(scene, task.as_str(), queues, counts)
    };
    let mut rows: Vec<_> = tasks.iter().map(row).filter(|row| row.ended > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.failures, row.ended)));
    let by_queue = totals.tasks().map(|(queue, _, counts)| (queue.as_str(), counts.ended()));
    let page = Helping {
        windows: window.chips(scene),
        queues: choice::chips(scene, "queue", "All queues", by_queue),
        words: window.words(),
        all: Row::new(scene, "", &BTreeSet::new(), &all),
        rows,
        known_since: known_since(&scene.snapshot.history(), scene.now()),
    };
    Ok(Content { title: "Does retrying help?".into(), tab: Tab::Helping, body: page.render()? })
}
