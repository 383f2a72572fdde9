//! [`TaskStats`]: the numbers of one task in one queue, its [`Counts`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Attempts, Ending, Histogram, Observation, Run, UNKNOWN_TASK};
use crate::clock::Timestamp;
use crate::names::{QueueName, TaskName};

/// What was counted of one task in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskStats {
    /// The queue.
    pub queue: QueueName,
    /// The task; [`UNKNOWN_TASK`] for those that no handler is here for.
    pub task: TaskName,
    /// The numbers.
    pub counts: Counts,
}

impl TaskStats {
    /// The name under which tasks are counted that no handler is here for.
    ///
    /// # Panics
    /// Never: the name is a valid one.
    pub fn unknown_task() -> TaskName {
        TaskName::new(UNKNOWN_TASK).unwrap_or_else(|err| panic!("{err}"))
    }
}

/// Attempts and what became of them, in numbers that add up over workers, tasks and minutes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Attempts whose handler ran, by attempt number.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub starts: Attempts,
    /// Jobs that completed, by the attempt that did it.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub completed: Attempts,
    /// Attempts that failed and are tried again, by attempt number.
    #[serde(default, skip_serializing_if = "Attempts::is_empty")]
    pub retried: Attempts,
    /// Jobs that died, by the attempt after which they did.
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
    /// Worker deaths found out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub crashes: u64,
    /// How long handlers ran.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub duration: Histogram,
    /// How long first attempts waited for their slot since they could have begun.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub wait: Histogram,
    /// How much later than due attempts began that had to wait for their time.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub lateness: Histogram,
    /// The waits that were decided for retries.
    #[serde(default, skip_serializing_if = "Histogram::is_empty")]
    pub delay: Histogram,
    /// When the retries come due that were decided: their [slot](Self::DUE_SLOT_MS) and how many.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub due: BTreeMap<u64, u64>,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

impl Counts {
    /// The width of a slot in which retries come due, in milliseconds.
    pub const DUE_SLOT_MS: u64 = 10_000;
    /// Slots that are kept apart; a retry that would need one more is counted in the last.
    pub const MAX_DUE_SLOTS: usize = 400;

    pub(super) fn record(&mut self, seen: &Observation<'_>) {
        self.crashes += u64::from(seen.crashes);
        if let Some(run) = &seen.run {
            self.ran(run, seen.attempt);
        }
        match seen.ending {
            Ending::Completed => self.completed.record(seen.attempt),
            Ending::Retried { delay, due_at } => {
                self.retried.record(seen.attempt);
                self.delay.record(delay);
                self.comes_due(due_at);
            }
            Ending::Dead => self.dead.record(seen.attempt),
            Ending::Cancelled => self.cancelled += 1,
            Ending::Expired => self.expired += 1,
            Ending::Snoozed => self.snoozed += 1,
            Ending::HeldBack => self.held_back += 1,
            Ending::Interrupted => self.interrupted += 1,
        }
    }

    fn ran(&mut self, run: &Run, attempt: u32) {
        self.starts.record(attempt);
        self.duration.record(run.ended_at.since(run.started_at));
        let waited = run.started_at.since(run.ready_at);
        match run.was_due {
            true => self.lateness.record(waited),
            false => self.wait.record(waited),
        }
    }

    fn comes_due(&mut self, due_at: Timestamp) {
        let slot = due_at.as_millis() / Self::DUE_SLOT_MS;
        let full = self.due.len() >= Self::MAX_DUE_SLOTS && !self.due.contains_key(&slot);
        let slot = if full { self.due.keys().next_back().copied().unwrap_or(slot) } else { slot };
        *self.due.entry(slot).or_default() += 1;
    }

    /// Adds what another has counted.
    pub fn add(&mut self, other: &Self) {
        self.combine(other, Attempts::add, Histogram::add, u64::saturating_add);
    }

    /// Takes away what was added before.
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

    /// Starts that were retries.
    pub fn retry_starts(&self) -> u64 {
        self.starts.from(2)
    }

    /// The share of starts that were retries, 0 to 1; none without starts.
    pub fn retry_share(&self) -> Option<f64> {
        let starts = self.starts.total();
        (starts > 0).then(|| self.retry_starts() as f64 / starts as f64)
    }

    /// Attempts that failed, whatever followed.
    pub fn failed(&self) -> u64 {
        self.retried.total().saturating_add(self.dead.total())
    }

    /// Jobs that ended, in whatever state.
    pub fn ended(&self) -> u64 {
        let by_attempt = self.completed.total().saturating_add(self.dead.total());
        by_attempt.saturating_add(self.cancelled).saturating_add(self.expired)
    }
}
