//! Promise 6: crashes are counted apart from attempts, and a deployment counts as neither.
//!
//! A crash that is counted needs a death: of a worker that had begun this job and not settled it. Its
//! handler had started, or the last list of the worker says that it was about to.
//! A job that no fault can have affected must have exactly the crashes that its script says. Any other
//! job may have fewer crashes than deaths: a worker may die before it lists the run (ADR 0033).

use std::collections::BTreeMap;

use super::harmful_faults::HarmfulFaults;
use super::intervention::Deeds;
use super::{BrokenPromise, JobCase};
use crate::deed::DeedOutcome;
use crate::history::{HandlerRun, RunHistory};
use crate::ledger::FaultKind;
use crate::script::{HandlerAct, MAX_CRASHES, Script};

pub(super) fn check(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let mut found: Vec<_> = without_death(case).into_iter().collect();
    let [end] = case.stored.ends.as_slice() else { return found };
    let script = case.planned.script;
    if script == Script::Poison {
        let runs = u32::try_from(case.runs.len()).unwrap_or(u32::MAX);
        if end.crashes < MAX_CRASHES && end.state == naq_core::JobState::Dead {
            found.push(BrokenPromise::PoisonTooSoon { budget: MAX_CRASHES, found: end.crashes });
        }
        // The death of a worker that had not listed the job yet is not counted (ADR 0033). A broker
        // that is killed may forget a delivery, and with it a crash.
        if runs > MAX_CRASHES + 1 && !case.may_be_affected() {
            found.push(BrokenPromise::PoisonTooOften { budget: MAX_CRASHES, runs });
        }
    }
    let expected = script.own_crashes();
    if !case.may_be_affected() && end.crashes < expected {
        found.push(BrokenPromise::WrongCrashes { expected, found: end.crashes });
    }
    found
}

/// The largest count that no deaths explain, of those that its handlers were given and that of its
/// end.
fn without_death(case: &JobCase<'_>) -> Option<BrokenPromise> {
    let given =
        case.runs.iter().enumerate().map(|(n, run)| (run.crashes, &case.runs[..n], run.start));
    let ended = case.stored.ends.iter().map(|end| (end.crashes, case.runs, end.at));
    let counts = given.chain(ended).map(|(found, runs, at)| (found, case.deaths(runs, at)));
    let (found, deaths) = counts.filter(|(found, deaths)| found > deaths).max()?;
    Some(BrokenPromise::CrashWithoutDeath { deaths, found })
}

impl JobCase<'_> {
    /// How many workers died until `at` that had begun the job in this life, with these runs.
    pub(super) fn deaths(&self, runs: &[HandlerRun], at: u64) -> u32 {
        let mut workers = self.harmful.died_under(runs);
        let begin = self.sent.map_or(0, |sent| sent.first);
        let deaths = self.harmful.deaths().filter(|(_, death)| (begin..=at).contains(&death.from));
        let lists = |worker: &&str| {
            self.listed.get(*worker).is_some_and(|jobs| jobs.contains(&self.planned.id))
        };
        workers.extend(deaths.map(|(worker, _)| worker).filter(lists));
        u32::try_from(workers.len()).unwrap_or(u32::MAX)
    }

    /// All workers that died with it.
    pub(super) fn all_deaths(&self) -> u32 {
        self.deaths(self.runs, self.stored.ends.first().map_or(u64::MAX, |end| end.at))
    }
}

impl JobCase<'_> {
    /// Whether a fault may have affected the job, other than the crashes that it caused itself.
    pub(super) fn may_be_affected(&self) -> bool {
        let Some(sent) = self.sent else { return true };
        let [end] = self.stored.ends.as_slice() else { return true };
        let own = |worker: &Option<String>| {
            let aborts = self.runs.iter().filter(|run| run.will == Some(HandlerAct::Abort));
            aborts.into_iter().any(|run| Some(&run.worker) == worker.as_ref())
        };
        self.harmful
            .within(sent.first, end.at)
            .any(|fault| fault.kind != FaultKind::WorkerAborted || !own(&fault.worker))
    }
}

/// Checks that no deployment stopped a running handler, and that no worker ended by itself.
pub(super) fn check_workers(
    history: &RunHistory,
    harmful: &HarmfulFaults<'_>,
) -> Vec<BrokenPromise> {
    let mut rolled: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let deeds = Deeds::new(&history.deeds);
    let mut found = Vec::new();
    for fault in &history.faults {
        let Some(worker) = fault.worker.as_deref() else { continue };
        match fault.kind {
            FaultKind::WorkerQuit => {
                found.push(BrokenPromise::WorkerQuit { worker: worker.to_owned() })
            }
            FaultKind::WorkerRolled if !harmful.aborted(worker) => {
                rolled.insert(worker, (fault.from, fault.to));
            }
            _ => {}
        }
    }
    let mut cut: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (job, runs) in &history.runs {
        for run in runs.iter().filter(|run| run.finish.is_none()) {
            let Some((from, to)) = rolled.get(run.worker.as_str()) else { continue };
            // A handler that was stopped before the signal lost its lease, or its job was cancelled.
            let stopped = run.stopped.unwrap_or(*to);
            let cancelled = deeds
                .of(job)
                .iter()
                .any(|entry| matches!(entry.outcome, DeedOutcome::Cancelled { .. }));
            // If the broker fails meanwhile, the worker may lose the lease and stop the handler.
            if stopped >= *from && !cancelled && !harmful.touch_every_worker(run.start, stopped) {
                cut.entry(&run.worker).or_default().push(job.clone());
            }
        }
    }
    let cut = cut
        .into_iter()
        .map(|(worker, jobs)| BrokenPromise::CutByDrain { worker: worker.to_owned(), jobs });
    found.extend(cut);
    found
}

#[cfg(test)]
mod tests {
    use super::super::fake_job::{FakeJob, names};
    use super::*;
    use crate::ledger::FaultEntry;

    fn fault(kind: FaultKind, at: u64) -> FaultEntry {
        FaultEntry {
            kind,
            worker: Some("w0-0".into()),
            queue: None,
            server: None,
            from: at,
            to: at,
        }
    }

    #[test]
    fn a_crash_without_a_dead_worker_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.stored().ends[0].crashes = 1;
        assert_eq!(names(&fake), ["CrashWithoutDeath"]);
    }

    #[test]
    fn a_crash_with_the_death_of_a_worker_that_had_not_started_the_job_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        let worker = Some("w3-0".into());
        fake.faults().push(FaultEntry { worker, ..fault(FaultKind::WorkerKilled, start) });
        fake.stored().ends[0].crashes = 1;
        assert_eq!(names(&fake), ["CrashWithoutDeath"]);
        // Nor does a death before it started or after it was settled explain a crash.
        let finish = fake.runs()[0].finish.expect("it finished");
        for at in [start - 1, finish + 1_001] {
            fake.faults()[0] = fault(FaultKind::WorkerKilled, at);
            assert_eq!(names(&fake), ["CrashWithoutDeath"], "{at}");
        }
    }

    #[test]
    fn a_deploy_that_counts_as_a_crash_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        fake.faults().push(fault(FaultKind::WorkerRolled, start));
        fake.stored().ends[0].crashes = 1;
        assert_eq!(names(&fake), ["CrashWithoutDeath"]);
    }

    #[test]
    fn a_crash_with_a_killed_worker_is_allowed() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        fake.faults().push(fault(FaultKind::WorkerKilled, start));
        fake.stored().ends[0].crashes = 1;
        assert_eq!(names(&fake), [""; 0]);
    }

    #[test]
    fn a_job_that_aborted_its_worker_must_have_a_crash() {
        let mut fake = FakeJob::new(Script::Crash);
        assert_eq!(names(&fake), [""; 0]);
        fake.stored().ends[0].crashes = 0;
        assert_eq!(names(&fake), ["WrongCrashes"]);
    }

    #[test]
    fn poison_that_dies_too_soon_or_runs_too_often_is_found() {
        let mut fake = FakeJob::new(Script::Poison);
        assert_eq!(names(&fake), [""; 0]);
        fake.stored().ends[0].crashes = 2;
        assert_eq!(names(&fake), ["PoisonTooSoon", "WrongCrashes"]);

        let mut fake = FakeJob::new(Script::Poison);
        for (n, found) in [(3, &[][..]), (4, &["PoisonTooOften"])] {
            let mut more = fake.runs()[n - 1].clone();
            more.worker = format!("w0-{n}");
            more.start += 2_000;
            let died = more.start + 1;
            fake.runs().push(more);
            let worker = Some(format!("w0-{n}"));
            fake.faults().push(FaultEntry { worker, ..fault(FaultKind::WorkerAborted, died) });
            fake.end_at(died + 1);
            assert_eq!(names(&fake), found);
        }
    }

    #[test]
    fn a_handler_that_a_deploy_stopped_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        fake.faults().push(fault(FaultKind::WorkerRolled, start));
        let mut again = fake.runs()[0].clone();
        again.worker = "w1-0".into();
        again.start += 100;
        again.finish = Some(again.start + 1);
        fake.runs()[0].finish = None;
        fake.end_at(again.start + 2);
        fake.runs().push(again);
        assert_eq!(names(&fake), ["RanTwice", "CutByDrain"]);
    }

    #[test]
    fn a_handler_that_lost_its_lease_in_an_outage_was_not_stopped_by_a_later_deploy() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        let broker = |from| FaultEntry {
            kind: FaultKind::BrokerKilled,
            worker: None,
            queue: None,
            server: None,
            from,
            to: from + 1_000,
        };
        fake.faults().push(broker(start));
        fake.faults().push(fault(FaultKind::WorkerRolled, start + 60_000));
        let mut again = fake.runs()[0].clone();
        (again.worker, again.start) = ("w1-0".into(), start + 3_000);
        again.finish = Some(again.start + 1);
        let lost = &mut fake.runs()[0];
        (lost.finish, lost.stopped) = (None, Some(start + 2_500));
        fake.end_at(again.start + 2);
        fake.runs().push(again);
        assert_eq!(names(&fake), [""; 0]);
        // Without the outage it ran twice for no reason, but the deploy was long after.
        fake.faults()[0] = broker(start - 60_000);
        assert_eq!(names(&fake), ["RanTwice"]);
        // The deploy stopped it.
        fake.faults()[1] = fault(FaultKind::WorkerRolled, start + 2_500);
        assert_eq!(names(&fake), ["RanTwice", "CutByDrain"]);
    }

    #[test]
    fn a_worker_that_ends_by_itself_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        fake.faults().push(fault(FaultKind::WorkerQuit, 99_999_999));
        assert_eq!(names(&fake), ["WorkerQuit"]);
    }
}
