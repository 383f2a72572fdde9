//! Promise 6: deaths are counted apart from attempts, and a deploy is neither.
//!
//! That attempts stay what the script says, whatever died, is part of the end (`end`). Here: a job
//! that no fault can have touched has exactly the crashes that it caused itself. For the others the
//! count is not known from outside: a worker that dies may hold jobs that it had not begun, and a
//! broker killed at the wrong moment forgets a delivery.

use std::collections::BTreeMap;

use super::harm::Harms;
use super::{Case, What};
use crate::history::History;
use crate::ledger::FaultKind;
use crate::script::{Act, POISON_CRASHES, Script};

pub(super) fn check(case: &Case<'_>) -> Vec<What> {
    let [end] = case.held.ends.as_slice() else { return Vec::new() };
    let mut found = Vec::new();
    let script = case.planned.script;
    if script == Script::Poison {
        let runs = u32::try_from(case.runs.len()).unwrap_or(u32::MAX);
        if end.crashes < POISON_CRASHES {
            found.push(What::PoisonTooSoon { budget: POISON_CRASHES, found: end.crashes });
        }
        // A broker that is killed may forget a delivery, and with it a death.
        if runs > POISON_CRASHES && !case.touched() {
            found.push(What::PoisonTooOften { budget: POISON_CRASHES, runs });
        }
    }
    let expected = script.own_crashes();
    if !case.touched() && end.crashes != expected {
        found.push(What::WrongCrashes { expected, found: end.crashes });
    }
    found
}

impl Case<'_> {
    /// Whether a fault that is not its own doing may have touched it in its life.
    pub(super) fn touched(&self) -> bool {
        let (Some(sent), [end]) = (self.sent, self.held.ends.as_slice()) else { return true };
        let own = |worker: &Option<String>| {
            let aborts = self.runs.iter().filter(|run| run.will == Some(Act::Abort));
            aborts.into_iter().any(|run| Some(&run.worker) == worker.as_ref())
        };
        self.harms
            .within(sent.first, end.at)
            .any(|fault| fault.kind != FaultKind::WorkerAborted || !own(&fault.worker))
    }
}

/// What a deploy did, and whether workers stay up by themselves.
pub(super) fn check_workers(history: &History, harms: &Harms<'_>) -> Vec<What> {
    let mut rolled: BTreeMap<&str, u64> = BTreeMap::new();
    let mut found = Vec::new();
    for fault in &history.faults {
        let Some(worker) = fault.worker.as_deref() else { continue };
        match fault.kind {
            FaultKind::WorkerQuit => found.push(What::WorkerQuit { worker: worker.to_owned() }),
            FaultKind::WorkerRolled if !harms.aborted(worker) => {
                rolled.insert(worker, fault.to);
            }
            _ => {}
        }
    }
    let mut cut: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (job, runs) in &history.runs {
        for run in runs.iter().filter(|run| run.finish.is_none()) {
            let Some(until) = rolled.get(run.worker.as_str()) else { continue };
            // A broker that fails while a handler runs takes its lease, and with it the handler:
            // long before the worker was told to stop, it may be.
            if !harms.touch_every_worker(run.start, *until) {
                cut.entry(&run.worker).or_default().push(job.clone());
            }
        }
    }
    let cut =
        cut.into_iter().map(|(worker, jobs)| What::CutByDrain { worker: worker.to_owned(), jobs });
    found.extend(cut);
    found
}

#[cfg(test)]
mod tests {
    use super::super::forged::{Forged, names};
    use super::*;
    use crate::ledger::Fault;

    fn fault(kind: FaultKind, at: u64) -> Fault {
        Fault { kind, worker: Some("w0-0".into()), from: at, to: at }
    }

    #[test]
    fn a_crash_that_nobody_died_of_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        forged.held().ends[0].crashes = 1;
        assert_eq!(names(&forged), ["WrongCrashes"]);
    }

    #[test]
    fn a_deploy_that_counts_as_a_crash_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        let start = forged.runs()[0].start;
        forged.faults().push(fault(FaultKind::WorkerRolled, start));
        forged.held().ends[0].crashes = 1;
        assert_eq!(names(&forged), ["WrongCrashes"]);
    }

    #[test]
    fn a_crash_beside_a_death_is_right() {
        let mut forged = Forged::new(Script::Succeed);
        let start = forged.runs()[0].start;
        forged.faults().push(fault(FaultKind::WorkerKilled, start));
        forged.held().ends[0].crashes = 1;
        assert_eq!(names(&forged), [""; 0]);
    }

    #[test]
    fn a_job_that_killed_its_worker_must_have_its_crash() {
        let mut forged = Forged::new(Script::Crash);
        assert_eq!(names(&forged), [""; 0]);
        forged.held().ends[0].crashes = 0;
        assert_eq!(names(&forged), ["WrongCrashes"]);
    }

    #[test]
    fn poison_that_dies_too_soon_or_runs_too_often_is_found() {
        let mut forged = Forged::new(Script::Poison);
        assert_eq!(names(&forged), [""; 0]);
        forged.held().ends[0].crashes = 2;
        assert_eq!(names(&forged), ["PoisonTooSoon", "WrongCrashes"]);

        let mut forged = Forged::new(Script::Poison);
        let mut more = forged.runs()[2].clone();
        more.worker = "w0-3".into();
        more.start += 2_000;
        let died = more.start + 1;
        forged.runs().push(more);
        let worker = Some("w0-3".into());
        forged.faults().push(Fault { worker, ..fault(FaultKind::WorkerAborted, died) });
        forged.end_at(died + 1);
        assert_eq!(names(&forged), ["PoisonTooOften"]);
    }

    #[test]
    fn a_handler_cut_off_by_a_deploy_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        let start = forged.runs()[0].start;
        forged.faults().push(fault(FaultKind::WorkerRolled, start));
        let mut again = forged.runs()[0].clone();
        again.worker = "w1-0".into();
        again.start += 100;
        again.finish = Some(again.start + 1);
        forged.runs()[0].finish = None;
        forged.end_at(again.start + 2);
        forged.runs().push(again);
        assert_eq!(names(&forged), ["RanTwice", "CutByDrain"]);
    }

    #[test]
    fn a_handler_that_lost_its_lease_to_the_broker_before_a_deploy_was_not_cut_off_by_it() {
        let mut forged = Forged::new(Script::Succeed);
        let start = forged.runs()[0].start;
        let broker = |from| {
            let (kind, worker) = (FaultKind::BrokerKilled, None);
            Fault { kind, worker, from, to: from + 1_000 }
        };
        forged.faults().push(broker(start));
        forged.faults().push(fault(FaultKind::WorkerRolled, start + 60_000));
        let mut again = forged.runs()[0].clone();
        (again.worker, again.start) = ("w1-0".into(), start + 3_000);
        (again.crashes, again.finish) = (1, Some(again.start + 1));
        forged.runs()[0].finish = None;
        forged.held().ends[0].crashes = 1;
        forged.end_at(again.start + 2);
        forged.runs().push(again);
        assert_eq!(names(&forged), [""; 0]);
        // The same with a broker that failed before the handler began.
        forged.faults()[0] = broker(start - 60_000);
        let found = names(&forged);
        assert!(found.iter().any(|name| name == "CutByDrain"), "{found:?}");
    }

    #[test]
    fn a_worker_that_ends_by_itself_is_found() {
        let mut forged = Forged::new(Script::Succeed);
        forged.faults().push(fault(FaultKind::WorkerQuit, 99_999_999));
        assert_eq!(names(&forged), ["WorkerQuit"]);
    }
}
