//! The checker: a pure function from plan, ledgers and the broker's final state to a verdict.
//!
//! | file | promise of DESIGN.md |
//! |---|---|
//! | `end` | 1: nothing is lost, and every job ends as its script says |
//! | `once` | 2: once when nothing fails; after a fault only what was in flight; never after its end |
//! | `early` | 3: never early, and how late |
//! | `crash` | 6: crashes are counted apart, a deploy counts as nothing |

mod crash;
mod early;
mod end;
mod figures;
#[cfg(test)]
mod forged;
mod harm;
mod once;
mod violation;

use std::collections::BTreeMap;

pub use figures::{Figures, Lateness};
pub use violation::{Violation, What};

use crate::history::{Held, History, Run, Sent};
use crate::plan::{Plan, PlannedJob};
use harm::Harms;

/// What the checker found.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Verdict {
    /// Broken promises; empty is what is hoped for.
    pub violations: Vec<Violation>,
    /// What happened, in numbers.
    pub figures: Figures,
}

/// One job, with all that is known of it.
#[derive(Debug, Clone, Copy)]
struct Case<'a> {
    planned: &'a PlannedJob,
    sent: Option<&'a Sent>,
    runs: &'a [Run],
    held: &'a Held,
    harms: &'a Harms<'a>,
}

/// Checks a run that was drained: nothing is left that could still happen.
pub fn check(plan: &Plan, history: &History, held: &BTreeMap<String, Held>) -> Verdict {
    let harms = Harms::new(&history.faults);
    let nothing = Held::default();
    let mut verdict = Verdict::default();
    let mut lateness = figures::Samples::default();
    for planned in &plan.jobs {
        let case = Case {
            planned,
            sent: history.sent.get(&planned.id),
            runs: history.runs(&planned.id),
            held: held.get(&planned.id).unwrap_or(&nothing),
            harms: &harms,
        };
        let rules = [end::check, once::check, early::check, crash::check];
        let found = rules.iter().flat_map(|rule| rule(&case));
        let job = Some(planned.id.clone());
        verdict.violations.extend(found.map(|what| Violation { job: job.clone(), what }));
        verdict.figures.count(&case);
        lateness.add(&case);
    }
    let found = crash::check_workers(history, &harms);
    verdict.violations.extend(found.into_iter().map(|what| Violation { job: None, what }));
    verdict.figures.finish(history, lateness);
    verdict
}
