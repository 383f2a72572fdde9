//! One error group: when, where, what was decided, and what to do about it.

use std::cmp::Reverse;

use askama::Template;
use naq_core::stats::{ErrorGroup, GroupHistory, GroupId, MAX_ERROR_GROUPS};

use super::batch_form::{BatchForm, Verb};
use super::batches::Panel;
use super::choice::{Chip, Window};
use super::failures::message;
use super::{Content, PageError, Tab};
use crate::chart::spark;
use crate::scene::{Scene, encode};
use crate::view::{Moment, clip, count, said};

/// Stretches of the chart.
const POINTS: u32 = 60;

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure<'a> {
    windows: Vec<Chip>,
    words: &'static str,
    prefix: &'a str,
    back: String,
    may_act: bool,
    kind: String,
    task: String,
    queue: String,
    pattern: String,
    message: String,
    counts: [Number; 3],
    first: Moment,
    last: Moment,
    spark: String,
    rules: Vec<(&'static str, String)>,
    versions: String,
    samples: Vec<Sample>,
    /// Its dead letters, as a list.
    letters: String,
    dead: BatchForm,
    waiting: BatchForm,
    panel: Panel,
    reason: String,
}

struct Number {
    name: &'static str,
    value: u64,
    words: String,
}

struct Sample {
    words: String,
    link: String,
}

fn number(name: &'static str, value: u64) -> Number {
    Number { name, value, words: count(value) }
}

pub(super) fn render(scene: &Scene<'_>, id: &str) -> Result<Content, PageError> {
    let window = Window::of(scene, Window::Day)?;
    let id: GroupId = id.parse().map_err(|_| no_such())?;
    let GroupHistory { group, points } = find(scene, window, id).ok_or_else(no_such)?;
    let points: Vec<u64> = points.iter().map(|(_, n)| *n).collect();
    let label = format!("{} failures in the last {}", count(group.count), window.words());
    let sample = |job: &naq_core::transport::JobKey| Sample {
        words: job.to_string(),
        link: scene.link(&format!(
            "/jobs/{}/{}",
            encode(job.queue.as_str()),
            encode(job.id.as_str())
        )),
    };
    let mut rules: Vec<_> = group.rules.iter().filter(|(_, n)| **n > 0).collect();
    rules.sort_by_key(|(rule, n)| (Reverse(**n), **rule));
    let scope = [
        ("task", group.task.as_str()),
        ("kind", group.kind.as_str()),
        ("pattern", &*group.pattern),
    ];
    let query: Vec<_> =
        scope.iter().map(|(name, value)| format!("{name}={}", encode(value))).collect();
    let fields = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let dead = fields(&[&[("scope", "dead")], &scope[..]].concat());
    let queue = [("scope", "waiting"), ("queue", group.queue.as_str())];
    let waiting = fields(&[&queue, &scope[..]].concat());
    let page = Failure {
        windows: window.chips(scene),
        words: window.words(),
        prefix: &scene.app.options.prefix,
        back: scene.with("window", Some(window.key())),
        may_act: scene.access.may_act,
        kind: clip(group.kind.as_str(), 128),
        task: group.task.to_string(),
        queue: group.queue.to_string(),
        pattern: message(&group.pattern),
        message: said(&group.message, 2_000),
        counts: [
            number("count", group.count),
            number("retried", group.retried),
            number("dead", group.dead),
        ],
        first: Moment::new(group.first_at, scene.now()),
        last: Moment::new(group.last_at, scene.now()),
        spark: spark(&points, &label).replace("class=\"spark\"", "class=\"spark tall\""),
        rules: rules.into_iter().map(|(rule, n)| (rule.as_str(), count(*n))).collect(),
        versions: clip(&group.versions.iter().cloned().collect::<Vec<_>>().join(", "), 200),
        samples: group.jobs.iter().rev().map(sample).collect(),
        letters: scene.link(&format!("/dead?{}", query.join("&"))),
        dead: BatchForm::new(scene, "group-dead", dead, &[Verb::Requeue, Verb::Purge]),
        waiting: BatchForm::new(scene, "group-waiting", waiting, &[Verb::Release, Verb::Cancel]),
        panel: Panel::recent(scene),
        reason: format!("failing with {}", clip(group.kind.as_str(), 80)),
    };
    let title = format!("{} in {}", page.kind, page.task);
    Ok(Content { title, tab: Tab::Failures, body: page.render()? })
}

/// The group with the numbers of the window; with none when it was not seen in it.
fn find(scene: &Scene<'_>, window: Window, id: GroupId) -> Option<GroupHistory> {
    let history = scene.snapshot.history();
    let groups = history.groups(window.length(), POINTS, scene.now());
    groups.into_iter().find(|it| it.group.id() == id).or_else(|| {
        let group = history.group(id)?.clone();
        let group = ErrorGroup { count: 0, retried: 0, dead: 0, ..group };
        Some(GroupHistory { group, points: Vec::new() })
    })
}

fn no_such() -> PageError {
    PageError::no_such(format!(
        "no such error group: it was last seen more than a day ago, or is one of more than \
         {MAX_ERROR_GROUPS} that a worker had in one minute"
    ))
}
