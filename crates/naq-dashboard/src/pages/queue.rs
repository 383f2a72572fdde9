//! One queue: its numbers, its tasks, what slows it down, and the actions on it.

use askama::Template;
use naq_client::HoldCause;
use naq_core::stats::Counts;
use naq_core::transport::{ConsumerReport, StreamRole};
use naq_core::{QueueName, TaskName};

use super::hold_row::HoldRow;
use super::queue_depth::{Number, QueueDepth};
use super::queues::{MINUTES, starts_chart};
use super::run_row::RunRow;
use super::{NavTab, PageContent, PageError};
use crate::access::Touched;
use crate::links::query_string;
use crate::page_request::PageRequest;
use crate::snapshot::SPARK_MINUTES;
use crate::user::Role;
use crate::view::{RelativeTime, bytes, clip, covered, percent, rate, redacted, span};

/// The most tasks that the page shows; those with the most starts come first.
const MAX_TASKS: usize = 100;
/// The most running jobs that the page shows; those that started first come first.
const MAX_RUNS: usize = 20;

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage<'a> {
    request: &'a PageRequest<'a>,
    may_act: bool,
    may_purge: bool,
    depth: QueueDepth,
    /// What holds its jobs.
    holds: Vec<HoldRow>,
    starts: String,
    completed: String,
    starts_chart: String,
    chart_minutes: u32,
    bytes: String,
    lease: Option<String>,
    consumer: Option<QueueConsumerView>,
    pauses: Vec<PauseRow>,
    /// The jobs that run, those that started first.
    runs: Vec<RunRow>,
    more_runs: usize,
    tasks: Vec<TaskRow>,
    hidden: usize,
}

/// The broker's consumer, which all workers of the queue share.
struct QueueConsumerView {
    name: String,
    lag: Number,
    held: Number,
    redelivered: Number,
    waiting: Number,
}

struct PauseRow {
    task: String,
    since: RelativeTime,
    until: Option<RelativeTime>,
    who: String,
    reason: String,
}

struct TaskRow {
    name: String,
    link: String,
    starts: Number,
    retries: String,
    completed: Number,
    failed: Number,
    dead: Number,
    median: String,
    p95: String,
}

impl TaskRow {
    fn new(request: &PageRequest<'_>, queue: &QueueName, task: &TaskName, counts: &Counts) -> Self {
        let took = |share| counts.duration.quantile(share).map_or_else(|| "–".into(), span);
        Self {
            name: task.to_string(),
            link: request.link(&format!(
                "/failures{}",
                query_string([("queue", queue.as_str()), ("task", task.as_str())])
            )),
            starts: counts.starts.total().into(),
            retries: percent(counts.retry_share()),
            completed: counts.completed.total().into(),
            failed: counts.failed().into(),
            dead: counts.dead.total().into(),
            median: took(0.5),
            p95: took(0.95),
        }
    }
}

impl From<&ConsumerReport> for QueueConsumerView {
    fn from(report: &ConsumerReport) -> Self {
        Self {
            name: clip(&report.name, 64),
            lag: report.lag.into(),
            held: report.held.into(),
            redelivered: report.redelivered.into(),
            waiting: report.waiting_requests.into(),
        }
    }
}

pub(super) fn render(request: &PageRequest<'_>, name: &str) -> Result<PageContent, PageError> {
    let snapshot = &request.snapshot;
    let now = request.now();
    let info = snapshot.queues.iter().find(|info| info.name.as_str() == name);
    let Some(info) = info else {
        let name = clip(name, 64);
        return Err(PageError::not_found(match snapshot.read_at {
            Some(_) => format!("there is no queue {name}: the first job in it creates it"),
            None => {
                format!("the broker has not been read yet: queue {name} is unknown until then")
            }
        }));
    };
    let of_queue = |role: &StreamRole| *role == StreamRole::Queue(info.name.clone());
    let stream = snapshot.streams.iter().find(|stream| of_queue(&stream.role));
    let minutes = snapshot.minutes.queue(&info.name);
    let over = covered(MINUTES, now);
    let mut tasks: Vec<_> =
        snapshot.hour.tasks().filter(|(queue, ..)| **queue == info.name).collect();
    tasks.sort_by_key(|(_, _, counts)| std::cmp::Reverse(counts.starts.total()));
    let paused = snapshot.paused_tasks.iter().filter(|pause| pause.queue == info.name);
    let runs: Vec<_> = snapshot.runs.of_queue(&info.name).collect();
    let page = QueuePage {
        request,
        may_act: request.access.may_operate(&info.name),
        may_purge: request.access.may(Role::Admin, &Touched::from(&info.name)),
        depth: QueueDepth::new(info, request),
        holds: snapshot
            .holds_of(&info.name)
            // The page says it about its pause already.
            .filter(|hold| hold.cause != HoldCause::QueuePause)
            .map(|hold| HoldRow::new(hold, request, now))
            .collect(),
        starts: rate(minutes.starts.total(), over),
        completed: rate(minutes.completed.total(), over),
        starts_chart: starts_chart(info, request),
        chart_minutes: SPARK_MINUTES,
        bytes: bytes(info.bytes),
        lease: info.lease.map(span),
        consumer: stream.and_then(|stream| stream.consumer.as_ref()).map(QueueConsumerView::from),
        pauses: paused
            .map(|pause| PauseRow {
                task: pause.task.to_string(),
                since: RelativeTime::new(pause.since, now),
                until: pause.until.map(|until| RelativeTime::new(until, now)),
                who: clip(&pause.who, 80),
                reason: redacted(&pause.reason, 200),
            })
            .collect(),
        more_runs: runs.len().saturating_sub(MAX_RUNS),
        runs: runs.iter().take(MAX_RUNS).map(|run| RunRow::new(run, request)).collect(),
        hidden: tasks.len().saturating_sub(MAX_TASKS),
        tasks: tasks
            .iter()
            .take(MAX_TASKS)
            .map(|(queue, task, counts)| TaskRow::new(request, queue, task, counts))
            .collect(),
    };
    Ok(PageContent {
        title: format!("Queue {}", info.name),
        tab: NavTab::Queues,
        body: page.render()?,
    })
}
