//! [`TimeBucket`]: the counts of one part of the [`History`](super::History).

use std::collections::HashMap;

use super::group_failures::GroupFailures;
use super::report_counts::ReportCounts;
use super::{Counts, GroupId, Totals};
use crate::names::{QueueName, TaskName};

/// The counts of one minute or of ten minutes, over all workers.
#[derive(Debug, Default)]
pub(super) struct TimeBucket {
    /// The counts by queue and task. They have no due times of retries, which the history keeps
    /// separately.
    pub(super) tasks: HashMap<(QueueName, TaskName), Counts>,
    pub(super) errors: HashMap<GroupId, GroupFailures>,
    pub(super) other_errors: u64,
}

impl TimeBucket {
    pub(super) fn add(&mut self, report: &ReportCounts) {
        for stats in &report.tasks {
            let key = (stats.queue.clone(), stats.task.clone());
            let counts = self.tasks.entry(key).or_default();
            counts.add(&stats.counts);
            counts.due.clear();
        }
        for (id, share) in &report.errors {
            self.errors.entry(*id).or_default().add(share.failures);
        }
        self.other_errors = self.other_errors.saturating_add(report.other_errors);
    }

    pub(super) fn remove(&mut self, report: &ReportCounts) {
        for stats in &report.tasks {
            let key = (stats.queue.clone(), stats.task.clone());
            if let Some(counts) = self.tasks.get_mut(&key) {
                counts.remove(&stats.counts);
            }
        }
        let mut others = report.other_errors;
        for (id, share) in &report.errors {
            let mut left = share.failures.count;
            if let Some(failures) = self.errors.get_mut(id) {
                left = left.saturating_sub(failures.count);
                failures.remove(share.failures);
            }
            // The history has dropped this group since then, and counted its failures in
            // `other_errors`.
            others = others.saturating_add(left);
        }
        self.other_errors = self.other_errors.saturating_sub(others);
    }

    /// Moves the failures of groups that are not `known` to `other_errors`.
    pub(super) fn keep_groups(&mut self, known: impl Fn(&GroupId) -> bool) {
        for (_, failures) in self.errors.extract_if(|id, _| !known(id)) {
            self.other_errors = self.other_errors.saturating_add(failures.count);
        }
    }

    /// Adds the counts of another bucket.
    pub(super) fn merge(&mut self, other: Self) {
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
