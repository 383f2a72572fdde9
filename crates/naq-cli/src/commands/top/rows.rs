//! The lines of the tables.

use std::time::Duration;

use naq_core::stats::{Counts, ErrorGroup, Helped};
use naq_core::transport::{QueueInfo, WorkerInfo};
use naq_core::{QueueName, TaskName, Timestamp};
use serde::Serialize;

use crate::output::TableRow;
use crate::text::about;

fn millis(span: Option<Duration>) -> Option<u64> {
    span.map(|span| u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// A share in percent, or a dash.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
}

fn span(ms: Option<u64>) -> String {
    ms.map_or("-".into(), |ms| about(Duration::from_millis(ms)))
}

/// Two heartbeats have not come, as often as they come by default.
const SILENT: Duration = Duration::from_secs(12);

/// A queue, by the broker's counters.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopQueueRow {
    #[serde(flatten)]
    info: QueueInfo,
    /// Workers that take jobs from it, and were heard of lately.
    pub(super) workers: usize,
    #[serde(skip)]
    now: Timestamp,
}

impl TopQueueRow {
    pub(super) fn new(info: &QueueInfo, workers: &[WorkerInfo], now: Timestamp) -> Self {
        let serves = |worker: &&WorkerInfo| {
            worker.queues.contains(&info.name) && now.since(worker.heartbeat_at) <= SILENT
        };
        Self { info: info.clone(), workers: workers.iter().filter(serves).count(), now }
    }

    /// Whether jobs wait that nobody takes.
    pub(super) fn is_bad(&self) -> bool {
        self.info.pending > 0 && self.workers == 0
    }
}

impl TableRow for TopQueueRow {
    const COLUMNS: &'static [&'static str] =
        &["QUEUE", ">PENDING", ">RUNNING", ">WAITING", ">DEAD", ">OLDEST", ">WORKERS", "STATE"];
    const NONE: &'static str = "none";

    fn cells(&self) -> Vec<String> {
        let q = &self.info;
        let paused = q.paused_until.is_some_and(|until| until > self.now);
        vec![
            q.name.to_string(),
            q.pending.to_string(),
            q.running.to_string(),
            q.waiting.to_string(),
            q.dead.to_string(),
            q.oldest.map_or("-".into(), about),
            self.workers.to_string(),
            if paused { "paused".into() } else { "open".into() },
        ]
    }
}

/// A task in a queue, over the window.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopTaskRow {
    pub(super) task: TaskName,
    queue: QueueName,
    pub(super) starts: u64,
    /// Starts that were retries, of all: 0 to 1.
    pub(super) retry_share: Option<f64>,
    /// Of the jobs that failed at first and ended, those that completed: 0 to 1.
    saved_share: Option<f64>,
    /// Jobs that completed, by the attempt that did it.
    completed_by_attempt: Vec<u64>,
    pub(super) dead: u64,
    duration_p95_ms: Option<u64>,
    lateness_p99_ms: Option<u64>,
}

impl TopTaskRow {
    pub(super) fn new(queue: &QueueName, task: &TaskName, counts: &Counts) -> Self {
        Self {
            task: task.clone(),
            queue: queue.clone(),
            starts: counts.starts.total(),
            retry_share: counts.retry_share(),
            saved_share: Helped::of(counts).share_from(2),
            completed_by_attempt: counts.completed.iter().map(|(_, n)| n).collect(),
            dead: counts.dead.total(),
            duration_p95_ms: millis(counts.duration.quantile(0.95)),
            lateness_p99_ms: millis(counts.lateness.quantile(0.99)),
        }
    }

    /// Whether it does little but retry.
    pub(super) fn is_bad(&self) -> bool {
        self.retry_share.is_some_and(|share| share > 0.5)
    }

    /// `910 80 10`: at the first try, the second, the third...
    fn by_attempt(&self) -> String {
        const SHOWN: usize = 5;
        let mut shown: Vec<u64> = self.completed_by_attempt.iter().take(SHOWN).copied().collect();
        if let Some(last) = shown.last_mut() {
            *last += self.completed_by_attempt.iter().skip(SHOWN).sum::<u64>();
        }
        let shown: Vec<_> = shown.iter().map(ToString::to_string).collect();
        shown.join(" ")
    }
}

impl TableRow for TopTaskRow {
    const COLUMNS: &'static [&'static str] = &[
        "TASK",
        "QUEUE",
        ">STARTS",
        ">RETRIES",
        ">SAVED",
        ">DEAD",
        ">P95",
        ">LATE P99",
        "COMPLETED AT 1ST 2ND 3RD 4TH 5TH+",
    ];
    const NONE: &'static str = "none was started";

    fn cells(&self) -> Vec<String> {
        vec![
            self.task.to_string(),
            self.queue.to_string(),
            self.starts.to_string(),
            percent(self.retry_share),
            percent(self.saved_share),
            self.dead.to_string(),
            span(self.duration_p95_ms),
            span(self.lateness_p99_ms),
            self.by_attempt(),
        ]
    }
}

/// A worker.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopWorkerRow {
    #[serde(flatten)]
    worker: WorkerInfo,
    #[serde(skip)]
    now: Timestamp,
}

impl TopWorkerRow {
    pub(super) fn new(worker: &WorkerInfo, now: Timestamp) -> Self {
        Self { worker: worker.clone(), now }
    }

    fn silence(&self) -> Duration {
        self.now.since(self.worker.heartbeat_at)
    }

    /// Whether it has fallen silent.
    pub(super) fn is_bad(&self) -> bool {
        self.silence() > SILENT
    }
}

impl TableRow for TopWorkerRow {
    const COLUMNS: &'static [&'static str] =
        &["WORKER", "STATUS", ">SLOTS", ">DONE", ">FAILED", "SEEN", "VERSION", "QUEUES"];
    const NONE: &'static str = "none; start one: naq worker";

    fn cells(&self) -> Vec<String> {
        let w = &self.worker;
        let queues: Vec<_> = w.queues.iter().map(QueueName::as_str).collect();
        vec![
            w.worker_id.to_string(),
            w.status.to_string(),
            format!("{}/{}", w.running, w.concurrency),
            w.finished.to_string(),
            w.failed.to_string(),
            format!("{} ago", about(self.silence())),
            w.version.clone(),
            queues.join(" "),
        ]
    }
}

/// An error group, over the window.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopErrorRow {
    #[serde(flatten)]
    group: ErrorGroup,
    #[serde(skip)]
    now: Timestamp,
}

impl TopErrorRow {
    pub(super) fn new(group: ErrorGroup, now: Timestamp) -> Self {
        Self { group, now }
    }
}

impl TableRow for TopErrorRow {
    const COLUMNS: &'static [&'static str] = &[">COUNT", ">DEAD", "LAST", "TASK", "ERROR"];
    const NONE: &'static str = "none";

    fn cells(&self) -> Vec<String> {
        let group = &self.group;
        vec![
            group.count.to_string(),
            group.dead.to_string(),
            format!("{} ago", about(self.now.since(group.last_at))),
            group.task.to_string(),
            format!("{}: {}", group.kind, group.pattern),
        ]
    }
}
