//! Promise 2: once when nothing fails; after a fault at most what was in flight; and nothing after
//! its end.
//!
//! - **Twice.** A step may begin again only if its last run was in flight at a fault: between its
//!   start and the end of its settling (its finish and a second), its worker died, or the broker or
//!   the network failed or had just come back. So each extra run is paid for by a fault of its own
//!   run, and a run without faults has none.
//! - **After its end.** Once the broker has stored a record or a dead letter, no handler of that job
//!   begins, whatever became of the ack.
//! - **Back.** Once a step has begun, no earlier one begins: what was scheduled for later is a fact
//!   as an end is.
//!
//! One case is excused from the last two, since it is a run of what was in flight and no ack was
//! lost: after an outage the broker hands a delivery to a second worker while the first, whose lease
//! still holds, writes what it had done before. The second has found no evidence yet and waits for a
//! slot. So a start within a lease after a fact that was itself stored just after an outage
//! may be such a race, if no other outage began in between.

use super::{Case, What};
use crate::history::Run;

pub(super) fn check(case: &Case<'_>) -> Vec<What> {
    let mut found = twice(case);
    if let [end] = case.held.ends.as_slice() {
        let after = |run: &&Run| run.start > end.at && !case.harms.raced(end.at, run.start);
        found.extend(case.runs.iter().filter(after).map(|run| What::RanAfterEnd {
            ended: end.at,
            started: run.start,
            worker: run.worker.clone(),
        }));
    }
    for (n, run) in case.runs.iter().enumerate() {
        let ahead = case.runs[..n].iter().find(|earlier| earlier.step > run.step);
        if let Some(ahead) = ahead.filter(|ahead| !case.harms.raced(ahead.start, run.start)) {
            let (step, after) = (run.step.to_string(), ahead.step.to_string());
            found.push(What::WentBack { step, after });
        }
    }
    found
}

fn twice(case: &Case<'_>) -> Vec<What> {
    let mut found = Vec::new();
    for (n, run) in case.runs.iter().enumerate() {
        let before = case.runs[..n].iter().rev().find(|earlier| earlier.step == run.step);
        let Some(before) = before else { continue };
        if !case.harms.interrupted(before, run.start) {
            found.push(What::RanTwice {
                step: run.step.to_string(),
                starts: [before, run].map(|r| (r.start, r.worker.clone())),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::forged::{Forged, names};
    use crate::ledger::{Fault, FaultKind};
    use crate::script::Script;

    /// A job that ran twice, the second time `gap` ms after the end of the first.
    fn twice(gap: u64) -> (Forged, u64) {
        let mut forged = Forged::new(Script::Succeed);
        let mut again = forged.runs()[0].clone();
        let finish = again.finish.expect("it finished");
        again.worker = "w1-0".into();
        (again.start, again.finish) = (finish + gap, Some(finish + gap + 5));
        forged.end_at(finish + gap + 6);
        forged.runs().push(again);
        (forged, finish)
    }

    fn fault(kind: FaultKind, worker: Option<&str>, at: u64) -> Fault {
        Fault { kind, worker: worker.map(str::to_owned), from: at, to: at }
    }

    #[test]
    fn a_second_run_without_a_fault_is_found() {
        let (forged, _) = twice(2_000);
        assert_eq!(names(&forged), ["RanTwice"]);
    }

    #[test]
    fn a_second_run_after_its_worker_died_in_it_is_right() {
        let (mut forged, finish) = twice(2_000);
        forged.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish + 10));
        assert_eq!(names(&forged), [""; 0]);
    }

    #[test]
    fn the_death_of_another_worker_or_a_deploy_excuses_nothing() {
        let (mut forged, finish) = twice(2_000);
        forged.faults().push(fault(FaultKind::WorkerKilled, Some("w3-0"), finish));
        assert_eq!(names(&forged), ["RanTwice"]);
        let (mut forged, finish) = twice(2_000);
        forged.faults().push(fault(FaultKind::WorkerRolled, Some("w0-0"), finish));
        assert_eq!(names(&forged), ["RanTwice"]);
    }

    #[test]
    fn a_death_long_after_its_settling_excuses_nothing() {
        let (mut forged, finish) = twice(9_000);
        forged.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish + 1_500));
        assert_eq!(names(&forged), ["RanTwice"]);
    }

    #[test]
    fn one_fault_pays_for_one_more_run_not_for_two() {
        let (mut forged, finish) = twice(2_000);
        forged.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish));
        let mut third = forged.runs()[1].clone();
        third.start += 4_000;
        third.finish = third.finish.map(|f| f + 4_000);
        forged.end_at(third.start + 10);
        forged.runs().push(third);
        assert_eq!(names(&forged), ["RanTwice"]);
    }

    #[test]
    fn a_run_after_the_end_is_found_even_beside_a_fault() {
        let (mut forged, finish) = twice(2_500);
        forged.faults().push(fault(FaultKind::BrokerKilled, None, finish));
        forged.end_at(finish + 3);
        assert_eq!(names(&forged), ["RanAfterEnd"]);
    }

    #[test]
    fn a_second_worker_that_raced_the_first_after_an_outage_is_right() {
        let (mut forged, finish) = twice(2_000);
        let again = forged.runs()[1].start;
        let outage = fault(FaultKind::BrokerKilled, None, finish);
        forged.faults().push(Fault { to: again - 200, ..outage });
        forged.end_at(again - 100);
        assert_eq!(names(&forged), [""; 0]);
        // Another outage in between can have lost the ack.
        forged.faults().push(fault(FaultKind::NetworkCut, None, again - 50));
        assert_eq!(names(&forged), ["RanAfterEnd"]);
        // And later it is no race any more.
        let (mut forged, finish) = twice(2_500);
        let again = forged.runs()[1].start;
        forged.faults().push(fault(FaultKind::BrokerKilled, None, finish));
        forged.end_at(again - 2_001);
        assert_eq!(names(&forged), ["RanAfterEnd"]);
    }

    #[test]
    fn a_step_back_is_found_even_beside_a_fault() {
        let mut forged = Forged::new(Script::FailThenSucceed { failures: 1 });
        let mut first = forged.runs()[0].clone();
        let second = forged.runs()[1].start;
        forged.faults().push(fault(FaultKind::BrokerKilled, None, first.start));
        (first.start, first.finish) = (second + 2_001, Some(second + 2_002));
        forged.runs().push(first);
        forged.end_at(second + 2_003);
        assert_eq!(names(&forged), ["WentBack"]);
    }
}
