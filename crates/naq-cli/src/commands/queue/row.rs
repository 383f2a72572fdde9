//! [`QueueRow`]: what `naq queue list` and `naq queue info` say about a queue.

use std::time::Duration;

use naq_client::{Client, Hold, Runs};
use naq_core::flow::TaskPause;
use naq_core::transport::QueueInfo;
use naq_core::{QueueName, Timestamp};
use serde::Serialize;

use crate::hold_words;
use crate::output::{BOLD, DIM, Details, TableRow, paint};
use crate::text::{about, count, duration, printable};

const DAY: Duration = Duration::from_secs(86_400);

/// One line of `naq queue list`: a queue, and the time at which it was read.
#[derive(Serialize)]
pub(super) struct QueueRow {
    #[serde(flatten)]
    pub(super) info: QueueInfo,
    /// Those of its running jobs that wait in a worker for a slot.
    taken: u64,
    /// Tasks that are paused individually.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused_tasks: Vec<TaskPause>,
    /// How its jobs ended; only for `naq queue info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_day: Option<EndedJobs>,
    /// What holds its jobs; only for `naq queue info`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) holds: Vec<Hold>,
    #[serde(skip)]
    now: Timestamp,
}

/// Jobs that ended in the last 24 hours, from the workers' statistics.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct EndedJobs {
    completed: u64,
    dead: u64,
    cancelled: u64,
    expired: u64,
}

impl EndedJobs {
    /// `None` if the statistics cannot be read.
    pub(super) async fn of(queue: &QueueName, client: &Client) -> Option<Self> {
        let history = client.history().await.ok()?;
        let counts = history.totals(DAY, client.now()).queue(queue);
        let (completed, dead) = (counts.completed.total(), counts.dead.total());
        Some(Self { completed, dead, cancelled: counts.cancelled, expired: counts.expired })
    }

    fn words(self) -> String {
        let Self { completed, dead, cancelled, expired } = self;
        format!("{completed} completed, {dead} dead, {cancelled} cancelled, {expired} expired")
    }
}

impl QueueRow {
    pub(super) fn new(info: QueueInfo, runs: &Runs, paused: &[TaskPause], now: Timestamp) -> Self {
        let own = paused.iter().filter(|pause| pause.queue == info.name).cloned();
        let taken = info.running - runs.running(&info.name, info.running);
        Self { paused_tasks: own.collect(), last_day: None, holds: Vec::new(), taken, info, now }
    }

    /// The jobs that have a slot.
    fn running(&self) -> u64 {
        self.info.running - self.taken
    }

    fn running_words(&self) -> String {
        let limit = self.info.concurrency_limit.map_or("no limit".into(), |n| n.to_string());
        let taken = match self.taken {
            0 => String::new(),
            n => format!(
                "; {n} more are taken: they wait in a worker for a slot, or for a worker that takes them again"
            ),
        };
        format!("{} (limit: {limit}){taken}", self.running())
    }

    pub(super) fn state(&self) -> String {
        if !self.info.evicts.is_empty() {
            return "LOSES JOBS, see naq doctor".into();
        }
        if self.info.is_paused(self.now) {
            return match self.info.pause_ends_at(self.now) {
                Some(until) => format!("paused for {}", about(until.since(self.now))),
                None => "paused until resumed".into(),
            };
        }
        match self.paused_tasks.len() {
            0 => "open".into(),
            n => format!("open, {} paused", count(n as u64, "task")),
        }
    }

    fn paused_words(&self) -> Option<String> {
        let words = |pause: &TaskPause| {
            let until = pause.until.map(|until| format!(" for {}", about(until.since(self.now))));
            let why = Some(&pause.reason).filter(|why| !why.is_empty());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            format!("{}{} by {}{why}", pause.task, until.unwrap_or_default(), pause.who)
        };
        let all: Vec<_> = self.paused_tasks.iter().map(words).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn stored_words(&self) -> String {
        let q = &self.info;
        match q.bound.is_set() {
            true => format!("{} bytes (bound: {})", q.bytes, q.bound),
            false => format!("{} bytes", q.bytes),
        }
    }

    fn evicts_words(&self) -> Option<String> {
        let evicts = &self.info.evicts;
        let words = format!(
            "its stream has {}: the broker removes jobs, and enqueues fail; see naq doctor",
            evicts.join(", ")
        );
        (!evicts.is_empty()).then_some(words)
    }

    pub(super) fn details(&self) -> String {
        let q = &self.info;
        Details::default()
            .with("queue", &q.name)
            .with("state", self.state())
            .with("pending", q.pending)
            .with("running", self.running_words())
            .with("waiting", format_args!("{} (scheduled or retrying)", q.waiting))
            .with("dead", q.dead)
            .maybe("last 24 h", self.last_day.map(EndedJobs::words))
            .maybe("oldest", q.oldest.map(about))
            .maybe("lease", q.lease.map(duration))
            .with("stored", self.stored_words())
            .maybe("evicts", self.evicts_words())
            .maybe("paused", self.paused_words())
            .render()
            + &self.holds_words()
    }

    /// What holds the jobs of the queue: a line each, and below it the command that ends it.
    fn holds_words(&self) -> String {
        let mut text = String::new();
        for hold in &self.holds {
            let (words, next) = (hold_words::words(hold, self.now), hold_words::next_step(hold));
            let (words, next) = (printable(&words).into_owned(), printable(&next).into_owned());
            text.push_str(&format!("\n  {words}\n    {} {next}", paint(DIM, "next:")));
        }
        if text.is_empty() { text } else { format!("\n\n{}{text}", paint(BOLD, "held")) }
    }
}

impl TableRow for QueueRow {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE", ">PENDING", ">TAKEN", ">RUNNING", ">LIMIT", ">WAITING", ">DEAD", "OLDEST",
        "~STATE",
    ];
    const LEFT_OUT: &'static [&'static str] = &["LIMIT", "OLDEST", "TAKEN", "WAITING"];
    const NONE: &'static str = "no queues; the first job creates one: naq enqueue TASK";

    fn cells(&self) -> Vec<String> {
        let q = &self.info;
        vec![
            q.name.to_string(),
            q.pending.to_string(),
            self.taken.to_string(),
            self.running().to_string(),
            q.concurrency_limit.map_or("-".into(), |n| n.to_string()),
            q.waiting.to_string(),
            q.dead.to_string(),
            q.oldest.map_or("-".into(), about),
            self.state(),
        ]
    }
}
