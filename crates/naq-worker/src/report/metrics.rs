//! [`WorkerMetrics`]: a worker's metrics, through the `metrics` facade. The handles of a queue and
//! task are made when the pair is first seen. After that, counting allocates nothing.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, OnceLock};

use metrics::{Counter, Gauge, Histogram};
use naq_core::metrics::{
    ATTEMPT_DURATION, ATTEMPTS, BROKER_CONNECTED, DECODE_ERRORS, HEARTBEAT_MISSED, JOBS_DEAD,
    MAX_ERROR_KINDS, OTHER_ERROR_KIND, QUEUE_WAIT, REDELIVERIES, RETRY_DELAY, RETRY_LATENESS,
    SUCCESS_ATTEMPT, WORKER_SLOTS,
};
use naq_core::stats::{Ending, Observation, Run, UNKNOWN_TASK};
use naq_core::sync::lock;
use naq_core::{ErrorKind, QueueName, TaskName};

/// A worker's metrics. They do nothing unless a recorder was installed before the worker started.
#[derive(Debug)]
pub(crate) struct WorkerMetrics {
    queues: HashMap<QueueName, QueueMetrics>,
    kinds: ErrorKindLabels,
    slots: usize,
    busy: Gauge,
    free: Gauge,
    connected: Gauge,
    heartbeat_missed: Counter,
    undecodable: Counter,
    unknown_tasks: Counter,
}

#[derive(Debug)]
struct QueueMetrics {
    redeliveries: Counter,
    tasks: HashMap<TaskName, OnceLock<TaskMetrics>>,
    unknown: OnceLock<TaskMetrics>,
}

#[derive(Debug)]
struct TaskMetrics {
    success: Counter,
    retry: Counter,
    dead: Counter,
    cancelled: Counter,
    expired: Counter,
    crash: Counter,
    duration: Histogram,
    wait: Histogram,
    lateness: Histogram,
    delay: Histogram,
    success_attempt: Histogram,
}

impl WorkerMetrics {
    /// The metrics of a worker with these queues and tasks. All `slots` are free.
    pub(crate) fn new(queues: &[QueueName], tasks: &[TaskName], slots: usize) -> Self {
        let metrics_of = |queue: &QueueName| QueueMetrics {
            redeliveries: REDELIVERIES.counter(&[queue.as_str()]),
            tasks: tasks.iter().map(|task| (task.clone(), OnceLock::new())).collect(),
            unknown: OnceLock::new(),
        };
        let slot = |state| WORKER_SLOTS.gauge(&[state]);
        let metrics = Self {
            queues: queues.iter().map(|queue| (queue.clone(), metrics_of(queue))).collect(),
            kinds: ErrorKindLabels::default(),
            slots,
            busy: slot("busy"),
            free: slot("free"),
            connected: BROKER_CONNECTED.gauge(&[]),
            heartbeat_missed: HEARTBEAT_MISSED.counter(&[]),
            undecodable: DECODE_ERRORS.counter(&["envelope"]),
            unknown_tasks: DECODE_ERRORS.counter(&["unknown_task"]),
        };
        // Incremented, not set: a process may have more than one worker.
        metrics.busy.increment(0.0);
        metrics.free.increment(slots as f64);
        metrics.connected.set(1.0);
        metrics
    }

    /// Counts one delivery.
    pub(crate) fn observe(&self, observation: &Observation<'_>) {
        let Some(queue) = self.queues.get(observation.queue) else { return };
        let task = observation.task.and_then(|task| queue.tasks.get_key_value(task));
        let (name, cell) =
            task.map_or((UNKNOWN_TASK, &queue.unknown), |(task, cell)| (task.as_str(), cell));
        let task = cell.get_or_init(|| TaskMetrics::new(observation.queue, name));
        task.crash.increment(observation.crashes.into());
        if let Some(run) = &observation.run {
            task.ran(run);
        }
        let kind = observation.error.as_ref().map(|error| error.kind);
        match kind {
            Some(kind) if *kind == ErrorKind::DECODE && observation.task.is_none() => {
                self.undecodable.increment(1);
            }
            Some(kind) if *kind == ErrorKind::UNKNOWN_TASK => self.unknown_tasks.increment(1),
            _ => {}
        }
        match observation.ending {
            Ending::Completed => {
                task.success.increment(1);
                task.success_attempt.record(observation.attempt);
            }
            Ending::Retried { delay, .. } => {
                task.retry.increment(1);
                task.delay.record(delay);
            }
            Ending::Dead => {
                task.dead.increment(1);
                let kind = self.kinds.label(kind.unwrap_or(&ErrorKind::ERROR));
                JOBS_DEAD.counter(&[name, kind]).increment(1);
            }
            Ending::Cancelled => task.cancelled.increment(1),
            Ending::Expired => task.expired.increment(1),
            // No attempt is counted.
            _ => {}
        }
    }

    /// Counts a message that was delivered before.
    pub(crate) fn redelivered(&self, queue: &QueueName) {
        if let Some(queue) = self.queues.get(queue) {
            queue.redeliveries.increment(1);
        }
    }

    /// A heartbeat was sent. `stored`: the broker stored it. `connected`: there is a connection.
    pub(crate) fn heartbeat(&self, stored: bool, connected: bool) {
        self.heartbeat_missed.increment((!stored).into());
        self.connected.set(f64::from(u8::from(connected)));
    }

    /// A slot is in use.
    pub(crate) fn slot_taken(&self) {
        self.free.decrement(1.0);
        self.busy.increment(1.0);
    }

    /// The slot is free again.
    pub(crate) fn slot_free(&self) {
        self.busy.decrement(1.0);
        self.free.increment(1.0);
    }
}

impl Drop for WorkerMetrics {
    /// Metrics are dropped after all slots: every slot is free.
    fn drop(&mut self) {
        self.free.decrement(self.slots as f64);
    }
}

impl TaskMetrics {
    fn new(queue: &QueueName, task: &str) -> Self {
        let labels = [queue.as_str(), task];
        let outcome = |outcome| ATTEMPTS.counter(&[queue.as_str(), task, outcome]);
        Self {
            success: outcome("success"),
            retry: outcome("retry"),
            dead: outcome("dead"),
            cancelled: outcome("cancelled"),
            expired: outcome("expired"),
            crash: outcome("crash"),
            duration: ATTEMPT_DURATION.histogram(&labels),
            wait: QUEUE_WAIT.histogram(&labels),
            lateness: RETRY_LATENESS.histogram(&labels),
            delay: RETRY_DELAY.histogram(&labels),
            success_attempt: SUCCESS_ATTEMPT.histogram(&labels),
        }
    }

    fn ran(&self, run: &Run) {
        self.duration.record(run.ended_at.since(run.started_at));
        let waited = run.started_at.since(run.ready_at);
        let histogram = if run.was_due { &self.lateness } else { &self.wait };
        histogram.record(waited);
    }
}

/// The error kinds that have a label of their own: the first that were seen.
#[derive(Debug, Default)]
struct ErrorKindLabels(Mutex<HashSet<ErrorKind>>);

impl ErrorKindLabels {
    fn label<'a>(&self, kind: &'a ErrorKind) -> &'a str {
        let mut known = lock(&self.0);
        if !known.contains(kind) {
            if known.len() >= MAX_ERROR_KINDS {
                return OTHER_ERROR_KIND;
            }
            known.insert(kind.clone());
        }
        kind.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_kinds_after_the_first_fifty_share_one_label() {
        let kinds = ErrorKindLabels::default();
        let kind = |n: usize| ErrorKind::new(format!("Error.{n}")).expect("a kind");
        for n in 0..MAX_ERROR_KINDS {
            assert_eq!(kinds.label(&kind(n)), format!("Error.{n}"));
        }
        assert_eq!(kinds.label(&kind(MAX_ERROR_KINDS)), OTHER_ERROR_KIND);
        assert_eq!(kinds.label(&kind(0)), "Error.0", "kinds that have a label keep it");
    }
}
