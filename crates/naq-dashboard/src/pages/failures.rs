//! Failures: the error groups, the most frequent first.

use askama::Template;
use naq_core::stats::{ErrorGroup, GroupHistory};

use super::choice::{self, Chip, Choice, Window};
use super::{Content, PageError, Tab};
use crate::chart::spark;
use crate::scene::Scene;
use crate::view::{Moment, clip, count, said};

/// Groups that are shown; the others are counted.
const MAX_SHOWN: usize = 100;
/// Stretches of the small chart.
const POINTS: u32 = 30;
/// Characters of a message in a list.
const MESSAGE: usize = 220;

#[derive(Template)]
#[template(path = "failures.html")]
struct Failures {
    windows: Vec<Chip>,
    queues: Vec<Chip>,
    tasks: Vec<Chip>,
    kinds: Vec<Chip>,
    words: &'static str,
    rows: Vec<Row>,
    /// Groups, and failures in them, that are not shown.
    hidden: usize,
    failures: u64,
    failures_words: String,
    others: u64,
    others_words: String,
    filtered: bool,
    clear: String,
}

struct Row {
    id: String,
    link: String,
    kind: String,
    task: String,
    queue: String,
    pattern: String,
    count: u64,
    count_words: String,
    retried: u64,
    retried_words: String,
    dead: u64,
    dead_words: String,
    first: Moment,
    last: Moment,
    spark: String,
}

impl Row {
    fn new(scene: &Scene<'_>, window: Window, it: &GroupHistory) -> Self {
        let (group, now) = (&it.group, scene.now());
        let id = group.id().to_string();
        let points: Vec<u64> = it.points.iter().map(|(_, n)| *n).collect();
        let label = format!("{} failures in the last {}", count(group.count), window.words());
        Self {
            link: scene.link(&format!("/failures/{id}?window={}", window.key())),
            id,
            kind: clip(group.kind.as_str(), 80),
            task: group.task.to_string(),
            queue: group.queue.to_string(),
            pattern: message(&group.pattern),
            count: group.count,
            count_words: count(group.count),
            retried: group.retried,
            retried_words: count(group.retried),
            dead: group.dead,
            dead_words: count(group.dead),
            first: Moment::new(group.first_at, now),
            last: Moment::new(group.last_at, now),
            spark: spark(&points, &label),
        }
    }
}

/// A message in a list, or words for none.
pub(super) fn message(text: &str) -> String {
    match text.is_empty() {
        true => "(no message)".into(),
        false => said(text, MESSAGE),
    }
}

fn fits(choice: &Choice, group: &ErrorGroup) -> bool {
    choice.queue.as_ref().is_none_or(|queue| *queue == group.queue)
        && choice.task.as_ref().is_none_or(|task| *task == group.task)
        && choice.kind.as_ref().is_none_or(|kind| group.kind.is(kind))
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let window = Window::of(scene, Window::Hour)?;
    let choice = Choice::of(scene)?;
    let (groups, others) = {
        let (history, now) = (scene.snapshot.history(), scene.now());
        let groups = history.groups(window.length(), POINTS, now);
        (groups, history.other_errors(window.length(), now))
    };
    let by =
        |of: fn(&ErrorGroup) -> &str| groups.iter().map(move |it| (of(&it.group), it.group.count));
    let mut page = Failures {
        windows: window.chips(scene),
        queues: choice::chips(scene, "queue", "All queues", by(|group| group.queue.as_str())),
        tasks: choice::chips(scene, "task", "All tasks", by(|group| group.task.as_str())),
        kinds: choice::chips(scene, "kind", "All kinds", by(|group| group.kind.as_str())),
        words: window.words(),
        rows: Vec::new(),
        hidden: 0,
        failures: 0,
        failures_words: String::new(),
        others,
        others_words: count(others),
        filtered: !choice.is_any(),
        clear: scene.link(&format!("/failures?window={}", window.key())),
    };
    let shown: Vec<_> = groups.iter().filter(|it| fits(&choice, &it.group)).collect();
    page.hidden = shown.len().saturating_sub(MAX_SHOWN);
    page.failures = shown.iter().map(|it| it.group.count).sum();
    page.failures_words = count(page.failures);
    page.rows = shown.iter().take(MAX_SHOWN).map(|it| Row::new(scene, window, it)).collect();
    Ok(Content { title: "Failures".into(), tab: Tab::Failures, body: page.render()? })
}
