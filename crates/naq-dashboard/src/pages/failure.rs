//! One error group: when and where it occurs, which rules decided, and actions on its jobs.

use std::cmp::Reverse;

use askama::Template;
use naq_core::stats::{ErrorGroup, GroupHistory, GroupId, MAX_ERROR_GROUPS};
use naq_core::transport::JobKey;

use super::batch_form::{BatchForm, BatchVerb};
use super::batches::BatchPanel;
use super::failures::message;
use super::page_filter::{FilterChip, TimeWindow};
use super::{NavTab, PageContent, PageError};
use crate::access::Touched;
use crate::chart::spark;
use crate::links::{job_path, query_string};
use crate::page_request::PageRequest;
use crate::user::Role;
use crate::view::{RelativeTime, clip, count, redacted};

/// Bars in the chart.
const POINTS: u32 = 60;

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    windows: Vec<FilterChip>,
    words: &'static str,
    prefix: &'a str,
    back: String,
    may_act: bool,
    /// Whether the visitor may act on the dead letters of the group, which are in any queue.
    may_act_on_dead: bool,
    kind: String,
    task: String,
    queue: String,
    pattern: String,
    message: String,
    counts: [FailureNumber; 3],
    first: RelativeTime,
    last: RelativeTime,
    spark: String,
    rules: Vec<(&'static str, String)>,
    versions: String,
    samples: Vec<Sample>,
    /// The link to its dead letters.
    letters: String,
    dead: BatchForm,
    waiting: BatchForm,
    panel: BatchPanel,
    reason: String,
}

struct FailureNumber {
    name: &'static str,
    value: u64,
    words: String,
}

struct Sample {
    words: String,
    link: String,
}

fn number(name: &'static str, value: u64) -> FailureNumber {
    FailureNumber { name, value, words: count(value) }
}

pub(super) fn render(request: &PageRequest<'_>, id: &str) -> Result<PageContent, PageError> {
    let window = TimeWindow::of(request, TimeWindow::Day)?;
    let id: GroupId = id.parse().map_err(|_| not_found())?;
    let GroupHistory { group, points } = find(request, window, id).ok_or_else(not_found)?;
    let points: Vec<u64> = points.iter().map(|(_, n)| *n).collect();
    let label = format!("{} failures in the last {}", count(group.count), window.words());
    let sample =
        |job: &JobKey| Sample { words: job.to_string(), link: request.link(&job_path(job)) };
    let mut rules: Vec<_> = group.rules.iter().filter(|(_, n)| **n > 0).collect();
    rules.sort_by_key(|(rule, n)| (Reverse(**n), **rule));
    let scope = [
        ("task", group.task.as_str()),
        ("kind", group.kind.as_str()),
        ("pattern", &*group.pattern),
    ];
    let fields = |more: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
        more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let dead = fields(&[&[("scope", "dead")], &scope[..]].concat());
    let queue = [("scope", "waiting"), ("queue", group.queue.as_str())];
    let waiting = fields(&[&queue, &scope[..]].concat());
    let page = FailurePage {
        windows: window.chips(request),
        words: window.words(),
        prefix: &request.app.options.prefix,
        back: request.with("window", Some(window.key())),
        may_act: request.access.may_operate(&group.queue),
        may_act_on_dead: request.access.may(Role::Operate, &Touched::All),
        kind: clip(group.kind.as_str(), 128),
        task: group.task.to_string(),
        queue: group.queue.to_string(),
        pattern: message(&group.pattern),
        message: redacted(&group.message, 2_000),
        counts: [
            number("count", group.count),
            number("retried", group.retried),
            number("dead", group.dead),
        ],
        first: RelativeTime::new(group.first_at, request.now()),
        last: RelativeTime::new(group.last_at, request.now()),
        spark: spark(&points, &label).replace("class=\"spark\"", "class=\"spark tall\""),
        rules: rules.into_iter().map(|(rule, n)| (rule.as_str(), count(*n))).collect(),
        versions: clip(&group.versions.iter().cloned().collect::<Vec<_>>().join(", "), 200),
        samples: group.jobs.iter().rev().map(sample).collect(),
        letters: request.link(&format!("/dead{}", query_string(scope))),
        dead: BatchForm::new(request, "group-dead", dead, &[BatchVerb::Requeue, BatchVerb::Purge]),
        waiting: BatchForm::new(
            request,
            "group-waiting",
            waiting,
            &[BatchVerb::Release, BatchVerb::Cancel],
        ),
        panel: BatchPanel::recent(request),
        reason: format!("failing with {}", clip(group.kind.as_str(), 80)),
    };
    let title = format!("{} in {}", page.kind, page.task);
    Ok(PageContent { title, tab: NavTab::Failures, body: page.render()? })
}

/// The group with its counts in the window; all counts are 0 if it was not seen in the window.
fn find(request: &PageRequest<'_>, window: TimeWindow, id: GroupId) -> Option<GroupHistory> {
    let history = request.snapshot.history();
    let groups = history.groups(window.length(), POINTS, request.now());
    groups.into_iter().find(|it| it.group.id() == id).or_else(|| {
        let group = history.group(id)?.clone();
        let group = ErrorGroup { count: 0, retried: 0, dead: 0, ..group };
        Some(GroupHistory { group, points: Vec::new() })
    })
}

fn not_found() -> PageError {
    PageError::not_found(format!(
        "there is no such error group: it was last seen more than a day ago, or a worker had more \
         than {MAX_ERROR_GROUPS} groups in that minute"
    ))
}
