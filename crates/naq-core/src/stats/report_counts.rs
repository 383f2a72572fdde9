//! [`ReportCounts`]: the counts of a report, kept while another report may replace it.

use std::collections::BTreeMap;

use super::group_failures::GroupFailures;
use super::{Counts, GroupId, StatsReport, TaskStats};
use crate::retry::Rule;

/// The counts of a report, without its texts.
#[derive(Debug, Default)]
pub(super) struct ReportCounts {
    pub(super) tasks: Vec<TaskStats>,
    pub(super) errors: Vec<(GroupId, GroupCounts)>,
    pub(super) other_errors: u64,
}

/// What a report adds to an error group.
#[derive(Debug)]
pub(super) struct GroupCounts {
    pub(super) failures: GroupFailures,
    pub(super) rules: Box<[(Rule, u64)]>,
}

impl ReportCounts {
    pub(super) fn from_report(report: &StatsReport) -> Self {
        let errors = report.errors.iter().map(|group| {
            let rules = group.rules.iter().map(|(rule, n)| (*rule, *n)).collect();
            (group.id(), GroupCounts { failures: group.into(), rules })
        });
        Self {
            tasks: report.tasks.clone(),
            errors: errors.collect(),
            other_errors: report.other_errors,
        }
    }

    /// The counts of all tasks together.
    pub(super) fn sum(&self) -> Counts {
        let mut sum = Counts::default();
        self.tasks.iter().for_each(|stats| sum.add(&stats.counts));
        sum
    }
}

impl GroupCounts {
    /// Subtracts the rules of this report from the rules of all reports.
    pub(super) fn take_from(&self, rules: &mut BTreeMap<Rule, u64>) {
        for (rule, n) in &self.rules {
            rules.entry(*rule).and_modify(|all| *all = all.saturating_sub(*n));
        }
    }

    /// Adds the rules of this report to the rules of all reports.
    pub(super) fn add_to(&self, rules: &mut BTreeMap<Rule, u64>) {
        for (rule, n) in &self.rules {
            let all = rules.entry(*rule).or_default();
            *all = all.saturating_add(*n);
        }
    }
}
