//! Retries: how many come due, which share of all starts they are, and which jobs have one attempt left;
//! with actions against a retry storm.

use std::collections::BTreeMap;
use std::time::Duration;

use askama::Template;
use naq_client::ClientError;
use naq_core::flow::TaskPause;
use naq_core::stats::Counts;
use naq_core::transport::{JobSummary, JobsQuery, Order, SCAN};
use naq_core::{JobState, QueueName, TaskName, Timestamp};

use super::batch_form::{BatchForm, BatchVerb};
use super::batches::BatchPanel;
use super::page_filter::{FilterChip, PageFilter, TimeWindow};
use super::{NavTab, PageContent, PageError, job};
use crate::chart::{HistogramBin, bar, histogram};
use crate::links::query_string;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clean, count, percent, redacted, span};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// The most tasks that the page shows; it counts the others.
const MAX_TASKS: usize = 100;
/// The most jobs with one attempt left that the page shows.
const MAX_LAST_ATTEMPTS: usize = 20;

#[derive(Template)]
#[template(path = "retries.html")]
struct RetriesPage<'a> {
    prefix: &'a str,
    back: String,
    may_act: bool,
    minute: DueRetries,
    hour: DueRetries,
    windows: Vec<FilterChip>,
    words: &'static str,
    share: String,
    rows: Vec<RetryTaskRow>,
    /// How many tasks are not shown.
    hidden: usize,
    storms: Vec<String>,
    /// The task that the actions are for.
    storm: Option<StormRow>,
    paused: Vec<PausedRow>,
    last_attempts: LastAttempts,
    panel: BatchPanel,
    live: bool,
}

/// How many retries come due.
struct DueRetries {
    count: u64,
    words: String,
    chart: String,
}

struct RetryTaskRow {
    may_act: bool,
    queue: String,
    task: String,
    starts: String,
    retries: u64,
    retries_words: String,
    share: String,
    bar: String,
    lateness: String,
    lateness_p99: String,
    due: u64,
    due_words: String,
    /// The link to the actions on the task.
    actions_link: String,
}

/// A task with many retries, and the form to slow them down.
struct StormRow {
    may_act: bool,
    queue: String,
    task: String,
    form: BatchForm,
}

struct PausedRow {
    may_act: bool,
    queue: String,
    task: String,
    who: String,
    reason: String,
    since: RelativeTime,
    until: Option<RelativeTime>,
}

/// Jobs that have one attempt left.
#[derive(Default)]
struct LastAttempts {
    jobs: Vec<LastAttemptRow>,
    found: usize,
    scanned: usize,
    /// Whether there are waiting jobs that were not read.
    more: bool,
}

struct LastAttemptRow {
    words: String,
    link: String,
    task: String,
    /// The last attempt, such as `4 of 4`.
    attempt: String,
    due: Option<RelativeTime>,
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let window = TimeWindow::of(request, TimeWindow::Minutes)?;
    let filter = PageFilter::of(request)?;
    let (last_attempts, paused) = match request.live {
        true => (LastAttempts::default(), Vec::new()),
        false => (last_attempts(request).await?, request.app.client.paused_tasks().await?),
    };
    let counts = window.totals(&request.snapshot).all();
    let mut rows = rows(request, window);
    let hidden = rows.len().saturating_sub(MAX_TASKS);
    rows.truncate(MAX_TASKS);
    let page = RetriesPage {
        prefix: &request.app.options.prefix,
        back: request.with("", None),
        may_act: request.access.may_act(),
        minute: due(request, MINUTE, 6, &["now", "30s", "1m"]),
        hour: due(request, HOUR, 60, &["now", "15m", "30m", "45m", "1h"]),
        windows: window.chips(request),
        words: window.words(),
        share: percent(counts.retry_share()),
        rows,
        hidden,
        storms: request.snapshot.storms.iter().map(|storm| clean(&storm.to_string())).collect(),
        storm: storm(request, filter),
        paused: paused.iter().map(|pause| PausedRow::new(request, pause)).collect(),
        last_attempts,
        panel: BatchPanel::recent(request),
        live: request.live,
    };
    Ok(PageContent { title: "Retries".into(), tab: NavTab::Retries, body: page.render()? })
}

/// The retries that come due within a time, in bins of equal length.
fn due(request: &PageRequest<'_>, ahead: Duration, bins: u32, marks: &[&str]) -> DueRetries {
    let now = request.now();
    let due_counts = request.snapshot.history().due(None, None, ahead, now);
    let width = ahead / bins;
    let bin = |at: u32| HistogramBin {
        words: format!("in {} to {}", span(width * at), span(width * (at + 1))),
        count: 0,
    };
    let mut chart: Vec<HistogramBin> = (0..bins).map(bin).collect();
    let first = bucket_start(now);
    for (at, n) in &due_counts {
        let index = at.since(first).as_millis() / width.as_millis();
        let index = usize::try_from(index).unwrap_or(usize::MAX).min(chart.len() - 1);
        chart[index].count += n;
    }
    let sum = due_counts.iter().map(|(_, n)| n).sum();
    let words = count(sum);
    let label = format!("{words} retries come due within {}", span(ahead));
    DueRetries { count: sum, chart: histogram(&chart, marks, &label), words }
}

/// The start of the time bucket that a time is in: the history counts due retries by such buckets.
fn bucket_start(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis() / Counts::DUE_SLOT_MS * Counts::DUE_SLOT_MS)
}

/// The tasks with starts in the window or with retries to come, most retries first.
fn rows(request: &PageRequest<'_>, window: TimeWindow) -> Vec<RetryTaskRow> {
    let totals = window.totals(&request.snapshot);
    let no_counts = Counts::default();
    let due = request.snapshot.due.iter();
    let mut tasks: BTreeMap<_, _> =
        due.map(|((queue, task), due)| ((queue, task), (&no_counts, *due))).collect();
    for (queue, task, counts) in totals.tasks() {
        tasks.entry((queue, task)).or_insert((counts, 0)).0 = counts;
    }
    let row = |((queue, task), (counts, due)): ((&QueueName, &TaskName), (&Counts, u64))| {
        let share = counts.retry_share();
        let lateness = |q| counts.lateness.quantile(q).map_or_else(|| "–".to_owned(), span);
        let class = if share.unwrap_or(0.0) >= 0.5 { "bad" } else { "warn" };
        RetryTaskRow {
            may_act: request.access.may_operate(queue),
            queue: queue.to_string(),
            task: task.to_string(),
            starts: count(counts.starts.total()),
            retries: counts.retry_starts(),
            retries_words: count(counts.retry_starts()),
            share: percent(share),
            bar: bar(share.unwrap_or(0.0), class, &format!("{} retries", percent(share))),
            lateness: lateness(0.5),
            lateness_p99: lateness(0.99),
            due,
            due_words: count(due),
            actions_link: request.link(&format!(
                "/retries{}#calm",
                query_string([("queue", queue.as_str()), ("task", task.as_str())])
            )),
        }
    };
    let mut rows: Vec<_> = tasks.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.retries, row.due)));
    rows
}

/// The task in the query, or the task of the largest storm.
fn storm(request: &PageRequest<'_>, filter: PageFilter) -> Option<StormRow> {
    let worst = request.snapshot.storms.first().map(|it| (it.queue.clone(), it.task.clone()));
    let (queue, task) = filter.queue.zip(filter.task).or(worst)?;
    let scope = vec![
        ("scope", "waiting".to_owned()),
        ("queue", queue.to_string()),
        ("task", task.to_string()),
    ];
    let form = BatchForm::new(request, "calm-form", scope, &[BatchVerb::Spread, BatchVerb::Drip]);
    let may_act = request.access.may_operate(&queue);
    Some(StormRow { may_act, queue: queue.to_string(), task: task.to_string(), form })
}

impl PausedRow {
    fn new(request: &PageRequest<'_>, pause: &TaskPause) -> Self {
        let moment = |at| RelativeTime::new(at, request.now());
        Self {
            may_act: request.access.may_operate(&pause.queue),
            queue: pause.queue.to_string(),
            task: pause.task.to_string(),
            who: clean(&pause.who),
            reason: redacted(&pause.reason, 300),
            since: moment(pause.since),
            until: pause.until.map(moment),
        }
    }
}

/// Reads the retries that have waited longest, and finds those with one attempt left.
async fn last_attempts(request: &PageRequest<'_>) -> Result<LastAttempts, ClientError> {
    let query =
        JobsQuery { order: Order::OldestFirst, limit: SCAN, ..JobsQuery::of(JobState::Retrying) };
    let page = request.app.client.jobs(&query).await?;
    let of = |job: &JobSummary| LastAttemptRow::of(request, job);
    let mut last_attempts = LastAttempts {
        jobs: page.jobs.iter().filter_map(of).collect(),
        found: 0,
        scanned: page.scanned,
        more: page.next.is_some(),
    };
    last_attempts.found = last_attempts.jobs.len();
    last_attempts.jobs.sort_by_key(|job| job.due.map(|due| due.at));
    last_attempts.jobs.truncate(MAX_LAST_ATTEMPTS);
    Ok(last_attempts)
}

impl LastAttemptRow {
    /// None if the policy allows another attempt after the next one.
    fn of(request: &PageRequest<'_>, job: &JobSummary) -> Option<Self> {
        let most = job.max_attempts.filter(|most| job.attempt >= *most)?;
        Some(Self {
            words: job.key.to_string(),
            link: job::link(request, &job.key),
            task: job.task.as_ref().map_or_else(String::new, ToString::to_string),
            attempt: format!("{} of {most}", job.attempt),
            due: job.due_at.map(|at| RelativeTime::new(at, request.now())),
        })
    }
}
