//! [`TaskStats`]: the [`Counts`] of one task in one queue.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attempts, Ending, Histogram, Observation, Run, UNKNOWN_TASK};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// The counts of one task in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStats {
    /// The queue.
    pub queue: QueueName,
    /// The task; [`UNKNOWN_TASK`] for tasks that the worker has no handler for.
    pub task: TaskName,
    /// The counts.
    pub counts: Counts,
}

impl TaskStats {
    /// The name under which jobs are counted if the worker has no handler for their task.
    ///
    /// # Panics
    /// Never: the name is valid.
    pub fn unknown_task() -> TaskName {
        TaskName::new(UNKNOWN_TASK).unwrap_or_else(|err| panic!("{err}"))
    }
}

/// Counts of attempts and of how they ended. The counts of workers, tasks and minutes can be added up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Attempts whose handler ran, by attempt number.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub starts: Attempts,
    /// Jobs that completed, by the number of their last attempt.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub completed: Attempts,
    /// Attempts that failed and are retried, by attempt number.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub retried: Attempts,
    /// Jobs that died, by the number of their last attempt.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub dead: Attempts,
    /// Jobs that were cancelled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancelled: u64,
    /// Jobs that expired.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub expired: u64,
    /// Attempts that ended in a snooze.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub snoozed: u64,
    /// How often a job was held back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_back: u64,
    /// Attempts that were given back or lost.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interrupted: u64,
    /// Crashes of workers that were noticed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crashes: u64,
    /// How long handlers ran.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub duration: Histogram,
    /// How long attempts that were not delayed waited for a slot.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub wait: Histogram,
    /// How long after their due time delayed attempts started.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub lateness: Histogram,
    /// The delays that were decided for retries.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub delay: Histogram,
    /// When the decided retries come due: the number of retries by [time bucket](Self::DUE_SLOT_MS).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<u64, u64>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Counts {
    /// The length of a time bucket of [`due`](Self::due), in milliseconds.
    pub const DUE_SLOT_MS: u64 = 10_000;
    /// The most time buckets of [`due`](Self::due). Later retries are counted in the last one.
    pub const MAX_DUE_SLOTS: usize = 400;

    pub(super) fn record(&mut self, seen: &Observation<'_>) {
        self.crashes += u64::from(seen.crashes);
        if let Some(run) = &seen.run {
            self.record_run(run, seen.attempt);
        }
        match seen.ending {
            Ending::Completed => self.completed.record(seen.attempt),
            Ending::Retried { delay, due_at } => {
                self.retried.record(seen.attempt);
                self.delay.record(delay);
                self.record_due(due_at);
            }
            Ending::Dead => self.dead.record(seen.attempt),
            Ending::Cancelled => self.cancelled += 1,
            Ending::Expired => self.expired += 1,
            Ending::Snoozed => self.snoozed += 1,
            Ending::HeldBack => self.held_back += 1,
            Ending::Interrupted => self.interrupted += 1,
        }
    }

    fn record_run(&mut self, run: &Run, attempt: u32) {
        self.starts.record(attempt);
        self.duration.record(run.ended_at.since(run.started_at));
        let waited = run.started_at.since(run.ready_at);
        match run.was_due {
            true => self.lateness.record(waited),
            false => self.wait.record(waited),
        }
    }

    fn record_due(&mut self, due_at: Timestamp) {
        let slot = due_at.as_millis() / Self::DUE_SLOT_MS;
        let full = self.due.len() >= Self::MAX_DUE_SLOTS && !self.due.contains_key(&slot);
        let slot = if full { self.due.keys().next_back().copied().unwrap_or(slot) } else { slot };
        *self.due.entry(slot).or_default() += 1;
    }

    /// Adds the counts of another.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, Attempts::add, Histogram::add, u64::saturating_add);
    }

    /// Subtracts counts that were added before.
    pub fn remove(&mut self, other: &Self) {
        self.combine(other, Attempts::remove, Histogram::remove, u64::saturating_sub);
        self.due.retain(|_, n| *n > 0);
    }

    fn combine(
        &mut self,
        other: &Self,
        attempts: fn(&mut Attempts, &Attempts),
        histogram: fn(&mut Histogram, &Histogram),
        number: fn(u64, u64) -> u64,
    ) {
        attempts(&mut self.starts, &other.starts);
        attempts(&mut self.completed, &other.completed);
        attempts(&mut self.retried, &other.retried);
        attempts(&mut self.dead, &other.dead);
        histogram(&mut self.duration, &other.duration);
        histogram(&mut self.wait, &other.wait);
        histogram(&mut self.lateness, &other.lateness);
        histogram(&mut self.delay, &other.delay);
        self.cancelled = number(self.cancelled, other.cancelled);
        self.expired = number(self.expired, other.expired);
        self.snoozed = number(self.snoozed, other.snoozed);
        self.held_back = number(self.held_back, other.held_back);
        self.interrupted = number(self.interrupted, other.interrupted);
        self.crashes = number(self.crashes, other.crashes);
        for (slot, n) in &other.due {
            let mine = self.due.entry(*slot).or_default();
            *mine = number(*mine, *n);
        }
    }

    /// How many started attempts were retries.
    pub fn retry_starts(&self) -> u64 {
        self.starts.from(2)
    }

    /// The share of started attempts that were retries, from 0 to 1. `None` if none has started.
    pub fn retry_share(&self) -> Option<f64> {
        let starts = self.starts.total();
        (starts > 0).then(|| self.retry_starts() as f64 / starts as f64)
    }

    /// How many attempts failed.
    pub fn failed(&self) -> u64 {
        self.retried.total().saturating_add(self.dead.total())
    }

    /// How many jobs ended, in any state.
    pub fn ended(&self) -> u64 {
        let by_attempt = self.completed.total().saturating_add(self.dead.total());
        by_attempt.saturating_add(self.cancelled).saturating_add(self.expired)
    }
}
