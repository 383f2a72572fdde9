//! [`Slot`]: what was counted in one stretch of the [`History`](super::History).

use std::collections::HashMap;

use super::told::Told;
use super::{Counts, ErrorGroup, GroupId, Totals};
use crate::names::{QueueName, TaskName};

/// A minute or more, over all workers.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// Without when retries come due, which is no matter of when they were decided.
    pub(super) tasks: HashMap<(QueueName, TaskName), Counts>,
    pub(super) errors: HashMap<GroupId, Failures>,
    pub(super) other_errors: u64,
}

/// Failures of a group in a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Failures {
    pub(super) count: u64,
    pub(super) retried: u64,
    pub(super) dead: u64,
}

impl Failures {
    pub(super) fn add(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        self.retried = self.retried.saturating_add(other.retried);
        self.dead = self.dead.saturating_add(other.dead);
    }

    fn remove(&mut self, other: Self) {
        self.count = self.count.saturating_sub(other.count);
        self.retried = self.retried.saturating_sub(other.retried);
        self.dead = self.dead.saturating_sub(other.dead);
    }
}

impl From<&ErrorGroup> for Failures {
    fn from(group: &ErrorGroup) -> Self {
        Self { count: group.count, retried: group.retried, dead: group.dead }
    }
}

impl Slot {
    pub(super) fn add(&mut self, told: &Told) {
        for stats in &told.tasks {
            let key = (stats.queue.clone(), stats.task.clone());
            let counts = self.tasks.entry(key).or_default();
            counts.add(&stats.counts);
            counts.due.clear();
        }
        for (id, share) in &told.errors {
            self.errors.entry(*id).or_default().add(share.failures);
        }
        self.other_errors = self.other_errors.saturating_add(told.other_errors);
    }

    pub(super) fn remove(&mut self, told: &Told) {
        for stats in &told.tasks {
            let key = (stats.queue.clone(), stats.task.clone());
            if let Some(counts) = self.tasks.get_mut(&key) {
                counts.remove(&stats.counts);
            }
        }
        let mut others = told.other_errors;
        for (id, share) in &told.errors {
            let mut left = share.failures.count;
            if let Some(failures) = self.errors.get_mut(id) {
                left = left.saturating_sub(failures.count);
                failures.remove(share.failures);
            }
            // The group was forgotten in between, and its failures are among the others.
            others = others.saturating_add(left);
        }
        self.other_errors = self.other_errors.saturating_sub(others);
    }

    /// Failures of groups that are forgotten are no longer told apart.
    pub(super) fn keep_groups(&mut self, known: impl Fn(&GroupId) -> bool) {
        for (_, failures) in self.errors.extract_if(|id, _| !known(id)) {
            self.other_errors = self.other_errors.saturating_add(failures.count);
        }
    }

    /// Takes over all that another one has.
    pub(super) fn absorb(&mut self, other: Self) {
        for (key, counts) in other.tasks {
            self.tasks.entry(key).or_default().add(&counts);
        }
        for (id, failures) in other.errors {
            self.errors.entry(id).or_default().add(failures);
        }
        self.other_errors = self.other_errors.saturating_add(other.other_errors);
    }

    pub(super) fn add_to(&self, totals: &mut Totals) {
        for (key, counts) in &self.tasks {
            totals.tasks.entry(key.clone()).or_default().add(counts);
        }
    }
}
