//! The rows of the tables.

use std::time::Duration;

use naq_client::Runs;
use naq_core::clock::millis;
use naq_core::stats::{Counts, ErrorGroup, Helped};
use naq_core::transport::{QueueInfo, WorkerInfo};
use naq_core::{QueueName, TaskName, Timestamp};
use serde::Serialize;

use crate::output::TableRow;
use crate::text::about;

/// A share in percent, or a dash without a value.
fn percent(share: Option<f64>) -> String {
    share.map_or("-".into(), |share| format!("{:.1} %", share * 100.0))
}

fn span(ms: Option<u64>) -> String {
    ms.map_or("-".into(), |ms| about(Duration::from_millis(ms)))
}

/// A worker is silent after two missed heartbeats, at the default interval.
const SILENT: Duration = Duration::from_secs(12);

/// A queue, with the broker's counters.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopQueueRow {
    #[serde(flatten)]
    info: QueueInfo,
    /// Those of its running jobs that wait in a worker for a slot.
    taken: u64,
    /// Workers with a recent heartbeat that take jobs from it.
    pub(super) workers: usize,
    #[serde(skip)]
    now: Timestamp,
}

impl TopQueueRow {
    pub(super) fn new(
        info: &QueueInfo,
        runs: &Runs,
        workers: &[WorkerInfo],
        now: Timestamp,
    ) -> Self {
        let serves = |worker: &&WorkerInfo| {
            worker.queues.contains(&info.name) && now.since(worker.heartbeat_at) <= SILENT
        };
        let taken = info.running - runs.running(&info.name, info.running);
        Self { info: info.clone(), taken, workers: workers.iter().filter(serves).count(), now }
    }

    /// Whether jobs wait and no worker takes them.
    pub(super) fn is_bad(&self) -> bool {
        self.info.pending > 0 && self.workers == 0
    }
}

impl TableRow for TopQueueRow {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE", ">PENDING", ">TAKEN", ">RUNNING", ">WAITING", ">DEAD", ">OLDEST", ">WORKERS",
        "STATE",
    ];
    const NONE: &'static str = "none";

    fn cells(&self) -> Vec<String> {
        let q = &self.info;
        let paused = q.paused_until.is_some_and(|until| until > self.now);
        vec![
            q.name.to_string(),
            q.pending.to_string(),
            self.taken.to_string(),
            (q.running - self.taken).to_string(),
            q.waiting.to_string(),
            q.dead.to_string(),
            q.oldest.map_or("-".into(), about),
            self.workers.to_string(),
            if paused { "paused".into() } else { "open".into() },
        ]
    }
}

/// A task in a queue, over the time window.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TopTaskRow {
    pub(super) task: TaskName,
    queue: QueueName,
    pub(super) starts: u64,
    /// The share of starts that were retries, 0 to 1.
    pub(super) retry_share: Option<f64>,
    /// The share of jobs that completed, 0 to 1, among those whose first attempt failed.
    saved_share: Option<f64>,
    /// Completed jobs, by the number of the successful attempt.
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
            duration_p95_ms: counts.duration.quantile(0.95).map(millis),
            lateness_p99_ms: counts.lateness.quantile(0.99).map(millis),
        }
    }

    /// Whether most of its starts are retries.
    pub(super) fn is_bad(&self) -> bool {
        self.retry_share.is_some_and(|share| share > 0.5)
    }

    /// `910 80 10`: completed at the first attempt, the second, the third...
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
    const NONE: &'static str = "no job was started";

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

    /// Whether its heartbeats have stopped.
    pub(super) fn is_bad(&self) -> bool {
        self.silence() > SILENT
    }
}

impl TableRow for TopWorkerRow {
    const COLUMNS: &'static [&'static str] =
        &["WORKER", "STATUS", ">SLOTS", ">DONE", ">FAILED", "SEEN", "VERSION", "QUEUES"];
    const NONE: &'static str = "none; to start one: naq worker";

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

/// An error group, over the time window.
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
