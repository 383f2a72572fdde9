//! A run in numbers.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Case, early};
use crate::history::History;

/// What happened.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    /// Jobs acknowledged.
    pub acked: u64,
    /// Jobs by final state.
    pub ends: BTreeMap<String, u64>,
    /// Runs of handlers.
    pub runs: u64,
    /// Of those, runs of a step that had run before: each is paid for by a fault.
    pub extra_runs: u64,
    /// Jobs that no fault can have touched, whose counts must be exact.
    pub untouched: u64,
    /// Faults by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Retries that no fault can have touched: how late they began.
    pub lateness: Lateness,
    /// All retries, those over a broker that was down among them.
    pub lateness_all: Lateness,
}

/// How late retries began after they were due, in milliseconds. The wait for a slot is part of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Lateness {
    /// How many were measured.
    pub retries: u64,
    /// Half of them were no later.
    pub p50_ms: u64,
    /// 99 of 100 were no later.
    pub p99_ms: u64,
    /// The latest.
    pub max_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Samples {
    calm: Vec<u64>,
    all: Vec<u64>,
}

impl Figures {
    pub(super) fn count(&mut self, case: &Case<'_>) {
        self.acked += u64::from(case.sent.is_some_and(|sent| sent.acked.is_some()));
        for end in &case.held.ends {
            *self.ends.entry(end.state.to_string()).or_default() += 1;
        }
        let again = |n: usize| case.runs[..n].iter().any(|run| run.step == case.runs[n].step);
        self.runs += case.runs.len() as u64;
        self.extra_runs += (0..case.runs.len()).filter(|n| again(*n)).count() as u64;
        self.untouched += u64::from(!case.touched());
    }

    pub(super) fn finish(&mut self, history: &History, samples: Samples) {
        for fault in &history.faults {
            *self.faults.entry(fault.kind.as_str()).or_default() += 1;
        }
        self.lateness = Lateness::of(samples.calm);
        self.lateness_all = Lateness::of(samples.all);
    }
}

impl Samples {
    pub(super) fn add(&mut self, case: &Case<'_>) {
        let scenes = case.planned.script.scenes(case.planned.pace);
        for pair in scenes.windows(2) {
            let [before, after] = pair else { continue };
            let run = case.runs.iter().find(|run| run.step == after.step);
            let (Some(run), Some(due)) = (run, early::due(case, before)) else { continue };
            let late = run.start.saturating_sub(due);
            self.all.push(late);
            let finish = due - before.wait_ms.unwrap_or_default();
            if !case.harms.touch(finish, run.start) {
                self.calm.push(late);
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
