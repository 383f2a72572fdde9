//! The checker: a pure function from plan, ledgers and the broker's final state to a report.
//!
//! | file | NAQ's promise |
//! |---|---|
//! | `end` | 1: no job is lost, and every job ends as its script says |
//! | `once` | 2: without a fault, each attempt runs once; a fault repeats only running attempts; no attempt runs after the end |
//! | `early` | 3: no retry is early, and how late retries are |
//! | `crash` | 6: crashes are counted apart from attempts, and a deployment counts as neither |

mod crash;
mod early;
mod end;
#[cfg(test)]
mod fake_job;
mod figures;
mod harmful_faults;
mod once;
mod violation;

use std::collections::BTreeMap;

pub use figures::{Figures, Lateness};
pub use violation::{BrokenPromise, Violation};

use crate::history::{HandlerRun, RunHistory, SentJob, StoredJob};
use crate::plan::{PlannedJob, RunPlan};
use harmful_faults::HarmfulFaults;

/// The result of a check.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct CheckReport {
    /// The broken promises.
    pub violations: Vec<Violation>,
    /// The counts of the run.
    pub figures: Figures,
}

/// One job, with everything that is known about it.
#[derive(Debug, Clone, Copy)]
struct JobCase<'a> {
    planned: &'a PlannedJob,
    sent: Option<&'a SentJob>,
    runs: &'a [HandlerRun],
    stored: &'a StoredJob,
    harmful: &'a HarmfulFaults<'a>,
}

/// Checks a run that has drained, so that no job can change any more.
pub fn check(
    plan: &RunPlan,
    history: &RunHistory,
    stored: &BTreeMap<String, StoredJob>,
) -> CheckReport {
    let harmful = HarmfulFaults::new(&history.faults);
    let not_stored = StoredJob::default();
    let mut report = CheckReport::default();
    let mut lateness = figures::Samples::default();
    for planned in &plan.jobs {
        let case = JobCase {
            planned,
            sent: history.sent.get(&planned.id),
            runs: history.runs(&planned.id),
            stored: stored.get(&planned.id).unwrap_or(&not_stored),
            harmful: &harmful,
        };
        let rules = [end::check, once::check, early::check, crash::check];
        let found = rules.iter().flat_map(|rule| rule(&case));
        let job = Some(planned.id.clone());
        report.violations.extend(found.map(|what| Violation { job: job.clone(), what }));
        report.figures.count(&case);
        lateness.add(&case);
    }
    let found = crash::check_workers(history, &harmful);
    report.violations.extend(found.into_iter().map(|what| Violation { job: None, what }));
    report.figures.finish(history, lateness);
    report
}
