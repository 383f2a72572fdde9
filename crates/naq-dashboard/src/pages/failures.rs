//! Failures: the error groups, most frequent first.

use askama::Template;
use naq_core::stats::{ErrorGroup, GroupHistory};

use super::page_filter::{self, FilterChip, PageFilter, TimeWindow};
use super::{NavTab, PageContent, PageError};
use crate::chart::spark;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, count, redacted};

/// The most error groups that the page shows; it counts the others.
const MAX_SHOWN: usize = 100;
/// Bars in the small chart.
const POINTS: u32 = 30;
/// The most characters of a message in a list.
const MESSAGE_CHARS: usize = 220;

#[derive(Template)]
#[template(path = "failures.html")]
struct FailuresPage {
    windows: Vec<FilterChip>,
    queues: Vec<FilterChip>,
    tasks: Vec<FilterChip>,
    kinds: Vec<FilterChip>,
    words: &'static str,
    rows: Vec<FailureRow>,
    /// How many groups are not shown.
    hidden: usize,
    failures: u64,
    failures_words: String,
    others: u64,
    others_words: String,
    filtered: bool,
    clear: String,
}

struct FailureRow {
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
    first: RelativeTime,
    last: RelativeTime,
    spark: String,
}

impl FailureRow {
    fn new(request: &PageRequest<'_>, window: TimeWindow, it: &GroupHistory) -> Self {
        let group = &it.group;
        let now = request.now();
        let id = group.id().to_string();
        let points: Vec<u64> = it.points.iter().map(|(_, n)| *n).collect();
        let label = format!("{} failures in the last {}", count(group.count), window.words());
        Self {
            link: request.link(&format!("/failures/{id}?window={}", window.key())),
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
            first: RelativeTime::new(group.first_at, now),
            last: RelativeTime::new(group.last_at, now),
            spark: spark(&points, &label),
        }
    }
}

/// A message in a list; `(no message)` for an empty one.
pub(super) fn message(text: &str) -> String {
    match text.is_empty() {
        true => "(no message)".into(),
        false => redacted(text, MESSAGE_CHARS),
    }
}

fn matches(filter: &PageFilter, group: &ErrorGroup) -> bool {
    filter.queue.as_ref().is_none_or(|queue| *queue == group.queue)
        && filter.task.as_ref().is_none_or(|task| *task == group.task)
        && filter.kind.as_ref().is_none_or(|kind| group.kind.is(kind))
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let window = TimeWindow::of(request, TimeWindow::Hour)?;
    let filter = PageFilter::of(request)?;
    let (groups, others) = {
        let history = request.snapshot.history();
        let now = request.now();
        let groups = history.groups(window.length(), POINTS, now);
        (groups, history.other_errors(window.length(), now))
    };
    let by =
        |of: fn(&ErrorGroup) -> &str| groups.iter().map(move |it| (of(&it.group), it.group.count));
    let mut page = FailuresPage {
        windows: window.chips(request),
        queues: page_filter::chips(
            request,
            "queue",
            "All queues",
            by(|group| group.queue.as_str()),
        ),
        tasks: page_filter::chips(request, "task", "All tasks", by(|group| group.task.as_str())),
        kinds: page_filter::chips(request, "kind", "All kinds", by(|group| group.kind.as_str())),
        words: window.words(),
        rows: Vec::new(),
        hidden: 0,
        failures: 0,
        failures_words: String::new(),
        others,
        others_words: count(others),
        filtered: !filter.is_empty(),
        clear: request.link(&format!("/failures?window={}", window.key())),
    };
    let shown: Vec<_> = groups.iter().filter(|it| matches(&filter, &it.group)).collect();
    page.hidden = shown.len().saturating_sub(MAX_SHOWN);
    page.failures = shown.iter().map(|it| it.group.count).sum();
    page.failures_words = count(page.failures);
    page.rows =
        shown.iter().take(MAX_SHOWN).map(|it| FailureRow::new(request, window, it)).collect();
    Ok(PageContent { title: "Failures".into(), tab: NavTab::Failures, body: page.render()? })
}
