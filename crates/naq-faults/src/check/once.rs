//! Promise 2: without a fault, each attempt runs once. After a fault, only attempts that it hit run
//! again. No attempt runs after the end of its job.
//!
//! - **Twice.** A step may start again only if a fault hit its last run: between its start and the
//!   moment at which its worker had stored its outcome its worker died, or the broker or the
//!   network failed or had recovered less than a lease before. So each extra run has a fault of its own, and a run
//!   without a fault has no extra run.
//! - **After its end.** Once the broker has stored a record or a dead letter, no handler of that
//!   job starts, even if the ack was lost. A worker that has a second delivery looks for the end of the
//!   job at most [`FRESH_MS`] before it starts the handler, so within this time both may happen.
//! - **Back.** Once a step has started, no earlier step starts. A scheduled retry is a fact, as an
//!   end is.
//!
//! A cancel is an end, too. It is complete when it is answered: until then a worker may start a job
//! that it has in hand.

use super::{BrokenPromise, Intervention, JobCase};
use crate::history::HandlerRun;

/// How old a worker's look at a job may be when its handler starts: the check is valid for 50 ms, and its
/// answer may take as long.
const FRESH_MS: u64 = 100;

pub(super) fn check(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let mut found = twice(case);
    if let [end] = case.stored.ends.as_slice() {
        let complete = match case.intervention {
            Intervention::Cancelled { to } => end.at.max(to),
            _ => end.at,
        };
        let after = |run: &&HandlerRun| run.start > complete + FRESH_MS;
        found.extend(case.runs.iter().filter(after).map(|run| BrokenPromise::RanAfterEnd {
            ended: end.at,
            started: run.start,
            worker: run.worker.clone(),
        }));
    }
    for (n, run) in case.runs.iter().enumerate() {
        let ahead = case.runs[..n].iter().find(|earlier| earlier.step > run.step);
        if let Some(ahead) = ahead {
            found.push(BrokenPromise::WentBack {
                step: run.step.to_string(),
                after: ahead.step.to_string(),
            });
        }
    }
    found
}

fn twice(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let mut found = Vec::new();
    for (n, run) in case.runs.iter().enumerate() {
        let before = case.runs[..n].iter().rev().find(|earlier| earlier.step == run.step);
        let Some(before) = before else { continue };
        if !case.harmful.interrupted(before, run.start) {
            found.push(BrokenPromise::RanTwice {
                step: run.step.to_string(),
                starts: [before, run].map(|r| (r.start, r.worker.clone())),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::fake_job::{FakeJob, names};
    use crate::ledger::{FaultEntry, FaultKind};
    use crate::script::Script;

    /// A job that ran twice. The second run started `gap` ms after the end of the first.
    fn twice(gap: u64) -> (FakeJob, u64) {
        let mut fake = FakeJob::new(Script::Succeed);
        let mut again = fake.runs()[0].clone();
        let finish = again.finish.expect("it finished");
        fake.runs()[0].settled = None;
        again.worker = "w1-0".into();
        (again.start, again.finish) = (finish + gap, Some(finish + gap + 5));
        again.settled = Some(finish + gap + 6);
        fake.end_at(finish + gap + 6);
        fake.runs().push(again);
        (fake, finish)
    }

    fn fault(kind: FaultKind, worker: Option<&str>, at: u64) -> FaultEntry {
        FaultEntry {
            kind,
            worker: worker.map(str::to_owned),
            queue: None,
            server: None,
            from: at,
            to: at,
        }
    }

    #[test]
    fn a_second_run_without_a_fault_is_found() {
        let (fake, _) = twice(2_000);
        assert_eq!(names(&fake), ["RanTwice"]);
    }

    #[test]
    fn a_second_run_after_its_worker_died_is_allowed() {
        let (mut fake, finish) = twice(2_000);
        fake.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish + 10));
        assert_eq!(names(&fake), [""; 0]);
    }

    #[test]
    fn a_fault_between_the_end_of_the_handler_and_the_stored_outcome_allows_a_second_run() {
        for (settled, found) in [(None, &[][..]), (Some(1_200), &[]), (Some(1_100), &["RanTwice"])]
        {
            let (mut fake, finish) = twice(9_000);
            fake.runs()[0].settled = settled.map(|after: u64| finish + after);
            fake.faults().push(fault(FaultKind::NetworkCut, None, finish + 1_101));
            assert_eq!(names(&fake), found, "{settled:?}");
        }
    }

    #[test]
    fn the_death_of_another_worker_or_a_deploy_allows_no_second_run() {
        let (mut fake, finish) = twice(2_000);
        fake.faults().push(fault(FaultKind::WorkerKilled, Some("w3-0"), finish));
        assert_eq!(names(&fake), ["RanTwice"]);
        let (mut fake, finish) = twice(2_000);
        fake.faults().push(fault(FaultKind::WorkerRolled, Some("w0-0"), finish));
        assert_eq!(names(&fake), ["RanTwice"]);
    }

    #[test]
    fn a_death_long_after_the_settlement_allows_no_second_run() {
        let (mut fake, finish) = twice(9_000);
        fake.runs()[0].settled = Some(finish + 1_499);
        fake.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish + 1_500));
        assert_eq!(names(&fake), ["RanTwice"]);
    }

    #[test]
    fn one_fault_allows_one_more_run_but_not_two() {
        let (mut fake, finish) = twice(2_000);
        fake.faults().push(fault(FaultKind::WorkerKilled, Some("w0-0"), finish));
        let mut third = fake.runs()[1].clone();
        third.start += 4_000;
        third.finish = third.finish.map(|f| f + 4_000);
        fake.end_at(third.start + 10);
        fake.runs().push(third);
        assert_eq!(names(&fake), ["RanTwice"]);
    }

    #[test]
    fn a_run_after_the_end_is_found_even_with_a_fault() {
        for (gap, found) in [(103, &[][..]), (104, &["RanAfterEnd"]), (2_500, &["RanAfterEnd"])] {
            let (mut fake, finish) = twice(gap);
            fake.faults().push(fault(FaultKind::BrokerKilled, None, finish));
            fake.end_at(finish + 3);
            assert_eq!(names(&fake), found, "{gap}");
        }
    }

    #[test]
    fn an_earlier_step_is_found_even_with_a_fault() {
        let mut fake = FakeJob::new(Script::FailThenSucceed { failures: 1 });
        let mut first = fake.runs()[0].clone();
        let second = fake.runs()[1].start;
        fake.faults().push(fault(FaultKind::BrokerKilled, None, first.start));
        (first.start, first.finish) = (second + 2_001, Some(second + 2_002));
        fake.runs().push(first);
        fake.end_at(second + 2_003);
        assert_eq!(names(&fake), ["WentBack"]);
    }
}
