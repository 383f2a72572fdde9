//! The checker: a pure function from plan, ledgers and the broker's final state to a report.
//!
//! | file | NAQ's promise |
//! |---|---|
//! | `end` | 1: no job is lost, and every job ends as its script says |
//! | `once` | 2: without a fault, each attempt runs once; a fault repeats only running attempts; no attempt runs after the end |
//! | `early` | 3: no retry is early, and how late retries are |
//! | `crash` | 6: a crash is counted only with the death of a worker that ran the job, apart from attempts, and a deployment counts as neither |
//! | `operator` | 9: each deed of an operator has the effect that its answer says, and no other |
//!
//! A deed changes what a job may be at the end (`intervention`): a cancelled job is cancelled, a
//! purged one is gone unless a worker had it, a requeued one has one more life (`lives`).

mod crash;
mod early;
mod end;
#[cfg(test)]
mod fake_job;
mod figures;
mod harmful_faults;
mod intervention;
mod lives;
mod once;
mod operator;
mod stalls;
mod violation;

use std::collections::{BTreeMap, BTreeSet};

pub use figures::{Figures, Lateness};
pub use stalls::Stall;
pub use violation::{BrokenPromise, Violation};

use crate::history::{HandlerRun, RunHistory, SentJob};
use crate::plan::{PlannedJob, RunPlan};
use crate::stored_job::StoredJob;
use harmful_faults::HarmfulFaults;
use intervention::{Deeds, Intervention};
use lives::{Life, lives};

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct CheckReport {
    /// The broken promises.
    pub violations: Vec<Violation>,
    /// The counts of the run.
    pub figures: Figures,
}

/// What the broker has stored at the end of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FinalState {
    /// The jobs, by id.
    pub jobs: BTreeMap<String, StoredJob>,
    /// How many jobs of a queue are stored and will never be delivered, by queue.
    pub stranded: BTreeMap<String, u64>,
    /// The jobs that each worker had begun, as its last list says, by worker.
    pub listed: BTreeMap<String, BTreeSet<String>>,
}

/// One life of a job, with everything that is known about it.
#[derive(Debug, Clone, Copy)]
struct JobCase<'a> {
    planned: &'a PlannedJob,
    life: &'a Life<'a>,
    sent: Option<&'a SentJob>,
    runs: &'a [HandlerRun],
    stored: &'a StoredJob,
    intervention: Intervention,
    harmful: &'a HarmfulFaults<'a>,
    listed: &'a BTreeMap<String, BTreeSet<String>>,
}

/// Checks a run that has drained, so that no job can change any more.
pub fn check(plan: &RunPlan, history: &RunHistory, last: &FinalState) -> CheckReport {
    let all = HarmfulFaults::new(&history.faults, None);
    let of_queue = |queue| HarmfulFaults::new(&history.faults, Some(queue));
    let queues: BTreeMap<&str, _> =
        plan.jobs.iter().map(|job| &*job.queue).map(|queue| (queue, of_queue(queue))).collect();
    let deeds = Deeds::new(&history.deeds);
    let not_stored = StoredJob::default();
    let mut report = CheckReport::default();
    let mut lateness = figures::Samples::new(&history.deeds);
    for planned in &plan.jobs {
        let stored = last.jobs.get(&planned.id).unwrap_or(&not_stored);
        let sent = history.sent.get(&planned.id);
        let (runs, own) = (history.runs(&planned.id), deeds.of(&planned.id));
        for life in &lives(planned, sent, runs, stored, own) {
            let from = life.sent.as_ref().map_or(0, |sent| sent.first);
            let to = life.stored.ends.first().map(|end| end.at);
            let case = JobCase {
                planned,
                life,
                sent: life.sent.as_ref(),
                runs: life.runs,
                stored: &life.stored,
                intervention: deeds.intervention(planned, from, to),
                harmful: queues.get(&*planned.queue).unwrap_or(&all),
                listed: &last.listed,
            };
            let rules = [end::check, once::check, early::check, crash::check, operator::check];
            let found = rules.iter().flat_map(|rule| rule(&case));
            let job = Some(planned.id.clone());
            report.violations.extend(found.map(|what| Violation { job: job.clone(), what }));
            report.figures.count(&case);
            lateness.add(&case);
        }
    }
    let mut found = crash::check_workers(history, &all);
    found.extend(operator::check_answers(plan, history, last, &all));
    report.violations.extend(found.into_iter().map(|what| Violation { job: None, what }));
    report.figures.finish(history, last, lateness);
    report.figures.stalls = stalls::stalls(plan, history);
    report
}
