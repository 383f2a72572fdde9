//! The counts of a run.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{FinalState, Intervention, JobCase, Stall, early};
use crate::deed::DeedEntry;
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
    /// The operators' deeds, and what they met with.
    pub deeds: BTreeMap<String, u64>,
    /// Jobs that an operator purged and that are gone.
    pub gone: u64,
    /// The crashes in the ends of the jobs.
    pub crashes: u64,
    /// For each job the workers that ran it and died with it.
    pub deaths: u64,
    /// Jobs that are stored and will never be delivered.
    pub stranded: u64,
    /// The lateness of retries that no fault can have affected.
    pub lateness: Lateness,
    /// The lateness of all retries, including those during an outage of the broker.
    pub lateness_all: Lateness,
    /// How long the queues stood still for each killed leader.
    pub stalls: Vec<Stall>,
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

/// How long after a pause, a limit or a purge of jobs is over they may still come late: workers look
/// again after at most this time.
const HELD_BACK_MS: u64 = 16_000;

#[derive(Debug)]
pub(super) struct Samples<'a> {
    undisturbed: Vec<u64>,
    all: Vec<u64>,
    /// The deeds that held jobs back.
    held_back: Vec<(&'a str, &'a DeedEntry)>,
}

impl Figures {
    pub(super) fn count(&mut self, case: &JobCase<'_>) {
        let ends = &case.stored.ends;
        self.crashes += ends.iter().map(|end| u64::from(end.crashes)).sum::<u64>();
        self.deaths += u64::from(case.all_deaths());
        let removed = matches!(case.intervention, Intervention::Removed { .. });
        self.gone += u64::from(removed && ends.is_empty());
        for end in &case.stored.ends {
            *self.ends.entry(end.state.to_string()).or_default() += 1;
        }
        let again = |n: usize| case.runs[..n].iter().any(|run| run.step == case.runs[n].step);
        self.runs += case.runs.len() as u64;
        self.extra_runs += (0..case.runs.len()).filter(|n| again(*n)).count() as u64;
        self.untouched += u64::from(!case.may_be_affected());
    }

    pub(super) fn finish(&mut self, history: &RunHistory, last: &FinalState, samples: Samples<'_>) {
        self.acked = history.sent.values().filter(|sent| sent.acked.is_some()).count() as u64;
        self.stranded = last.stranded.values().sum();
        for entry in &history.deeds {
            let name = format!("{}, {}", entry.deed.name(), entry.outcome.name());
            *self.deeds.entry(name).or_default() += 1;
        }
        for fault in &history.faults {
            *self.faults.entry(fault.kind.as_str()).or_default() += 1;
        }
        self.lateness = Lateness::of(samples.undisturbed);
        self.lateness_all = Lateness::of(samples.all);
    }
}

impl<'a> Samples<'a> {
    pub(super) fn new(deeds: &'a [DeedEntry]) -> Self {
        let held_back = |entry: &'a DeedEntry| Some((entry.deed.holds_back()?, entry));
        let held_back = deeds.iter().filter_map(held_back).collect();
        Self { undisturbed: Vec::new(), all: Vec::new(), held_back }
    }

    /// Whether an operator held the jobs of this queue back in this time.
    fn is_held_back(&self, queue: &str, from: u64, to: u64) -> bool {
        let holds = |(of, entry): &(&str, &DeedEntry)| {
            *of == queue && entry.from <= to && entry.to + HELD_BACK_MS >= from
        };
        self.held_back.iter().any(holds)
    }

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
            let held_back = self.is_held_back(&case.planned.queue, finish, run.start);
            if !held_back && !case.harmful.touch(finish, run.start) {
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
