//! The counts of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{JobCase, early};
use crate::history::RunHistory;

/// The counts of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Jobs acknowledged.
    pub acked: u64,
    /// Jobs by final state.
    pub ends: BTreeMap<String, u64>,
    /// Runs of handlers.
    pub runs: u64,
    /// Runs of a step that had run before. A fault caused each of them.
    pub extra_runs: u64,
    /// Jobs that no fault can have affected. Their counts must be exact.
    pub untouched: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// The lateness of retries that no fault can have affected.
    pub lateness: Lateness,
    /// The lateness of all retries, including those during an outage of the broker.
    pub lateness_all: Lateness,
}

/// How late retries started after they were due, in milliseconds. This includes the wait for a
/// slot.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// How many were measured.
    pub retries: u64,
    /// The median.
    pub p50_ms: u64,
    /// The 99th percentile.
    pub p99_ms: u64,
    /// The maximum.
    pub max_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    undisturbed: Vec<u64>,
    all: Vec<u64>,
}

impl Figures {
    pub(super) fn count(&mut self, case: &JobCase<'_>) {
        self.acked += u64::from(case.sent.is_some_and(|sent| sent.acked.is_some()));
        for end in &case.stored.ends {
            *self.ends.entry(end.state.to_string()).or_default() += 1;
        }
        let again = |n: usize| case.runs[..n].iter().any(|run| run.step == case.runs[n].step);
        self.runs += case.runs.len() as u64;
        self.extra_runs += (0..case.runs.len()).filter(|n| again(*n)).count() as u64;
        self.untouched += u64::from(!case.may_be_affected());
    }

    pub(super) fn finish(&mut self, history: &RunHistory, samples: Samples) {
        for fault in &history.faults {
            *self.faults.entry(fault.kind.as_str()).or_default() += 1;
        }
        self.lateness = Lateness::of(samples.undisturbed);
        self.lateness_all = Lateness::of(samples.all);
    }
}

impl Samples {
    pub(super) fn add(&mut self, case: &JobCase<'_>) {
        let step_plans = case.planned.script.step_plans(case.planned.pace);
        for pair in step_plans.windows(2) {
            let [before, after] = pair else { continue };
            let run = case.runs.iter().find(|run| run.step == after.step);
            let Some(run) = run else { continue };
            let Some(due) = early::due(case, before) else { continue };
            let late = run.start.saturating_sub(due);
            self.all.push(late);
            let finish = due - before.wait_ms.unwrap_or_default();
            if !case.harmful.touch(finish, run.start) {
                self.undisturbed.push(late);
            }
        }
    }
}

impl Lateness {
    fn of(mut samples: Vec<u64>) -> Self {
        samples.sort_unstable();
        let at = |percent: usize| {
            let rank = (samples.len() * percent).div_ceil(100);
            samples.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { retries: samples.len() as u64, p50_ms: at(50), p99_ms: at(99), max_ms: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::Lateness;

    #[test]
    fn percentiles_are_of_the_samples_themselves() {
        let late = Lateness::of((1..=200).rev().collect());
        assert_eq!((late.retries, late.p50_ms, late.p99_ms, late.max_ms), (200, 100, 198, 200));
        assert_eq!(Lateness::of(Vec::new()), Lateness::default());
    }
}
