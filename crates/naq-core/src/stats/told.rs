//! [`Told`]: what is remembered of a report for as long as it may be replaced.

use std::collections::BTreeMap;

use super::slot::Failures;
use super::{Counts, GroupId, StatsReport, TaskStats};
use crate::retry::Rule;

/// The numbers of a report, without the words.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) tasks: Vec<TaskStats>,
    pub(super) errors: Vec<(GroupId, Share)>,
    pub(super) other_errors: u64,
}

/// What a report adds to an error group.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) failures: Failures,
    pub(super) rules: Box<[(Rule, u64)]>,
}

impl Told {
    pub(super) fn of(report: &StatsReport) -> Self {
        let errors = report.errors.iter().map(|group| {
            let rules = group.rules.iter().map(|(rule, n)| (*rule, *n)).collect();
            (group.id(), Share { failures: group.into(), rules })
        });
        Self {
            tasks: report.tasks.clone(),
            errors: errors.collect(),
            other_errors: report.other_errors,
        }
    }

    /// All tasks together.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.tasks.iter().for_each(|stats| sum.add(&stats.counts));
        sum
    }
}

impl Share {
    /// Takes these rules from what all reports together say.
    pub(super) fn take_from(&self, rules: &mut BTreeMap<Rule, u64>) {
        for (rule, n) in &self.rules {
            rules.entry(*rule).and_modify(|all| *all = all.saturating_sub(*n));
        }
    }

    /// Adds them.
    pub(super) fn add_to(&self, rules: &mut BTreeMap<Rule, u64>) {
        for (rule, n) in &self.rules {
            let all = rules.entry(*rule).or_default();
            *all = all.saturating_add(*n);
        }
    }
}
