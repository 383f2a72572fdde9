//! Promise 9: each deed of an operator has the effect that its answer says, and no other. The broker
//! forgets no job.

use std::collections::BTreeMap;

use super::harmful_faults::HarmfulFaults;
use super::intervention::Deeds;
use super::{BrokenPromise, FinalState, Intervention, JobCase};
use crate::deed::{Deed, DeedOutcome};
use crate::history::RunHistory;
use crate::plan::{LEASE_MS, RunPlan};

/// How long a worker may have a job in hand before it starts it, while the job is purged: until the
/// lease of the delivery ends that it got before, and one more that it renewed.
const IN_HAND_MS: u64 = 2 * LEASE_MS;

/// How long a worker needs to store the outcome of a run.
const STORE_MS: u64 = 100;

/// A purged job starts only where a worker had it in hand.
pub(super) fn check(case: &JobCase<'_>) -> Vec<BrokenPromise> {
    let Intervention::Removed { from, to, whole: true } = case.intervention else {
        return Vec::new();
    };
    // A job that the broker acknowledged later may have been stored after the purge.
    let was_stored = case.sent.and_then(|sent| sent.acked).is_some_and(|acked| acked < from);
    // A worker that stores the next step while the purge is under way stores it after the purge: the job
    // goes on.
    let goes_on = case.runs.iter().any(|run| {
        run.start <= to && run.finish.is_some_and(|finish| (from - STORE_MS..=to).contains(&finish))
    });
    let late = case.runs.iter().filter(|run| run.start > to + IN_HAND_MS);
    late.filter(|_| was_stored && !goes_on)
        .map(|run| BrokenPromise::RanAfterPurge {
            purged: to,
            started: run.start,
            worker: run.worker.clone(),
        })
        .collect()
}

/// Checks the answers that the operators got, and that no job is stranded.
pub(super) fn check_answers(
    plan: &RunPlan,
    history: &RunHistory,
    last: &FinalState,
    harmful: &HarmfulFaults<'_>,
) -> Vec<BrokenPromise> {
    let stranded = last.stranded.iter();
    let mut found: Vec<_> = stranded
        .map(|(queue, jobs)| BrokenPromise::Stranded { queue: queue.clone(), jobs: *jobs })
        .collect();
    for entry in &history.deeds {
        let deed = entry.deed.to_string();
        if let DeedOutcome::Refused { why } = &entry.outcome {
            found.push(BrokenPromise::DeedRefused { deed, why: why.clone() });
        } else if let Some(why) = wrong_answer(entry.deed.job(), &entry.outcome, last) {
            found.push(BrokenPromise::WrongAnswer { deed, why });
        }
    }
    found.extend(more_than_purged(plan, history, last, harmful));
    found
}

/// A cancel that says how the job had ended must be right.
fn wrong_answer(job: Option<&str>, outcome: &DeedOutcome, last: &FinalState) -> Option<String> {
    let DeedOutcome::HadEnded { state } = outcome else { return None };
    let ends = &last.jobs.get(job?)?.ends;
    let right = ends.iter().any(|end| end.state == *state);
    (!right).then(|| format!("it said {state}, the job has {ends:?}"))
}

/// A purge of a queue removes no more jobs than it says. If the broker or the network failed meanwhile,
/// NAQ repeated the purge, and does not know what the first one removed.
fn more_than_purged(
    plan: &RunPlan,
    history: &RunHistory,
    last: &FinalState,
    harmful: &HarmfulFaults<'_>,
) -> Vec<BrokenPromise> {
    let mut said: BTreeMap<&str, Option<u64>> = BTreeMap::new();
    for entry in &history.deeds {
        if let (Deed::PurgeQueue { queue }, DeedOutcome::Purged { messages }) =
            (&entry.deed, &entry.outcome)
        {
            let known = messages.filter(|_| !harmful.touch_every_worker(entry.from, entry.to));
            let sum = said.entry(queue).or_insert(Some(0));
            *sum = sum.zip(known).map(|(sum, more)| sum + more);
        }
    }
    let deeds = Deeds::new(&history.deeds);
    let gone = |queue: &str| {
        let jobs = plan.jobs.iter().filter(|job| job.queue == queue);
        let nothing_left = jobs.filter(|job| {
            let stored = last.jobs.get(&job.id);
            stored.is_none_or(|it| it.ends.is_empty() && it.live.is_empty() && it.half.is_empty())
        });
        nothing_left.filter(|job| deeds.of(&job.id).is_empty()).count() as u64
    };
    let counted = said.into_iter().filter_map(|(queue, sum)| Some((queue, sum?, gone(queue))));
    counted
        .filter(|(_, purged, gone)| gone > purged)
        .map(|(queue, purged, gone)| BrokenPromise::MoreGoneThanPurged {
            queue: queue.to_owned(),
            purged,
            gone,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use naq_core::JobState;

    use super::super::fake_job::{FakeJob, names};
    use super::*;
    use crate::deed::DeedEntry;
    use crate::ledger::{FaultEntry, FaultKind};
    use crate::script::{HandlerAct, MAX_CRASHES, Script, ScriptStep};

    const JOB: &str = "job";

    fn deed(deed: Deed, from: u64, outcome: DeedOutcome) -> DeedEntry {
        DeedEntry { deed, from, to: from + 2, outcome }
    }

    fn cancelled(at: u64) -> DeedEntry {
        deed(Deed::Cancel { job: JOB.into() }, at, DeedOutcome::Cancelled { found: None })
    }

    fn removed(at: u64) -> DeedEntry {
        let outcome = DeedOutcome::Removed { jobs: vec![JOB.into()], maybe: Vec::new() };
        deed(Deed::PurgeJob { job: JOB.into() }, at, outcome)
    }

    #[test]
    fn a_cancelled_job_must_be_cancelled() {
        let mut fake = FakeJob::new(Script::FailAlways);
        let start = fake.runs()[1].start;
        fake.deeds().push(cancelled(start));
        fake.runs().truncate(2);
        assert_eq!(names(&fake), ["WrongEnd"]);
        fake.stored().ends[0].state = JobState::Cancelled;
        fake.stored().ends[0].step = ScriptStep::attempt(2);
        assert_eq!(names(&fake), [""; 0]);
        // The step before the one that was cancelled did run.
        fake.runs().remove(0);
        assert_eq!(names(&fake), ["NeverRan", "OutOfNowhere"]);
        // Without a cancel no job may be cancelled.
        fake.deeds().clear();
        assert!(names(&fake).contains(&"WrongEnd".into()));
    }

    #[test]
    fn a_job_that_starts_after_its_cancel_was_answered_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        fake.sent().first = start - 200;
        fake.stored().ends[0].state = JobState::Cancelled;
        fake.end_at(start - 1);
        fake.deeds().push(cancelled(start - 2));
        assert_eq!(names(&fake), [""; 0]);
        fake.end_at(start - 103);
        fake.deeds()[0] = cancelled(start - 104);
        assert_eq!(names(&fake), ["RanAfterEnd"]);
    }

    #[test]
    fn a_cancel_that_was_answered_with_an_end_must_be_right() {
        let mut fake = FakeJob::new(Script::Succeed);
        let end = fake.stored().ends[0].at;
        let had_ended =
            |state| deed(Deed::Cancel { job: JOB.into() }, end, DeedOutcome::HadEnded { state });
        fake.deeds().push(had_ended(JobState::Completed));
        assert_eq!(names(&fake), [""; 0]);
        fake.deeds()[0] = had_ended(JobState::Cancelled);
        assert_eq!(names(&fake), ["WrongAnswer"]);
    }

    #[test]
    fn a_purged_job_is_gone_unless_its_handler_finished() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        fake.deeds().push(removed(start));
        assert_eq!(names(&fake), [""; 0]);
        fake.stored().ends.clear();
        assert_eq!(names(&fake), ["Lost"]);
        fake.runs()[0].finish = None;
        assert_eq!(names(&fake), [""; 0]);
        fake.runs().clear();
        assert_eq!(names(&fake), [""; 0]);
        fake.deeds().clear();
        assert_eq!(names(&fake), ["Lost"]);
    }

    #[test]
    fn a_job_that_starts_long_after_its_purge_is_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let purged = fake.runs()[0].start;
        fake.sent().acked = Some(purged - 1);
        fake.deeds().push(removed(purged));
        let again = FakeJob::run(ScriptStep::attempt(1), purged + 9_000, HandlerAct::Succeed);
        *fake.runs() = vec![again];
        fake.end_at(purged + 9_002);
        assert_eq!(names(&fake), ["RanAfterPurge"]);
    }

    #[test]
    fn a_job_whose_next_step_is_stored_while_it_is_purged_goes_on() {
        for (before, found) in [(5, vec![]), (5_000, vec!["RanAfterPurge"])] {
            let mut fake = FakeJob::new(Script::FailThenSucceed { failures: 1 });
            let first = fake.runs()[0].clone();
            let purged = first.finish.expect("it finished") + before;
            fake.sent().acked = Some(first.start - 1);
            fake.deeds().push(removed(purged));
            fake.runs()[1].start = purged + 9_000;
            fake.runs()[1].finish = Some(purged + 9_001);
            fake.end_at(purged + 9_002);
            assert_eq!(names(&fake), found);
        }
    }

    #[test]
    fn no_more_jobs_are_gone_than_a_purge_of_the_queue_removed() {
        let mut fake = FakeJob::new(Script::Succeed);
        let start = fake.runs()[0].start;
        let purge = |messages| {
            let queue = fake_queue();
            deed(Deed::PurgeQueue { queue }, start, DeedOutcome::Purged { messages })
        };
        fake.stored().ends.clear();
        fake.runs().clear();
        for (messages, found) in
            [(Some(1), vec![]), (None, vec![]), (Some(0), vec!["MoreGoneThanPurged"])]
        {
            *fake.deeds() = vec![purge(messages)];
            assert_eq!(names(&fake), found);
        }
    }

    fn fake_queue() -> String {
        "q".into()
    }

    #[test]
    fn a_requeued_job_runs_its_script_once_more() {
        let mut fake = FakeJob::new(Script::Fatal);
        let letter = fake.stored().ends[0].clone();
        let requeued = letter.at + 5_000;
        let outcome = DeedOutcome::Requeued { letter };
        fake.deeds().push(deed(Deed::Requeue { job: JOB.into() }, requeued, outcome));
        // The second life has not run.
        fake.end_at(requeued + 20);
        assert_eq!(names(&fake), ["NeverRan"]);
        let again = FakeJob::run(ScriptStep::attempt(1), requeued + 5, HandlerAct::Fatal);
        fake.runs().push(again.clone());
        assert_eq!(names(&fake), [""; 0]);
        // It runs twice.
        fake.runs().push(again);
        assert_eq!(names(&fake), ["RanTwice"]);
    }

    #[test]
    fn a_requeue_that_began_before_the_death_begins_the_next_life_after_it() {
        let mut fake = FakeJob::new(Script::FailAlways);
        let first = fake.runs().clone();
        let letter = fake.stored().ends[0].clone();
        let last = first.last().expect("it ran").start;
        let shift = 5_000;
        for run in first {
            let again = FakeJob::run(run.step, run.start + shift, HandlerAct::Fail);
            fake.runs().push(again);
        }
        fake.end_at(letter.at + shift);
        let outcome = DeedOutcome::Requeued { letter };
        let mut requeue = deed(Deed::Requeue { job: JOB.into() }, last - 1, outcome);
        requeue.to = last + 500;
        fake.deeds().push(requeue);
        assert_eq!(names(&fake), [""; 0]);
    }

    #[test]
    fn a_dead_letter_may_be_missing_only_if_an_operator_removed_it() {
        let mut fake = FakeJob::new(Script::Fatal);
        let letter = fake.stored().ends.remove(0);
        fake.stored().half.push("a record without its letter".into());
        assert_eq!(names(&fake), ["HalfDead"]);
        let at = letter.at + 5;
        let outcome = DeedOutcome::LetterRemoved { letter };
        fake.deeds().push(deed(Deed::PurgeDead { job: JOB.into() }, at, outcome));
        assert_eq!(names(&fake), [""; 0]);
    }

    #[test]
    fn a_refused_deed_and_a_stranded_job_are_found() {
        let mut fake = FakeJob::new(Script::Succeed);
        let stream = "NAQ_DEAD".to_owned();
        let refused = DeedOutcome::Refused { why: "no".into() };
        fake.deeds().push(deed(Deed::EditStream { stream }, 1, refused));
        fake.last().stranded.insert("q".into(), 5);
        assert_eq!(names(&fake), ["Stranded", "DeedRefused"]);
    }

    #[test]
    fn a_job_may_die_with_as_many_workers_as_its_policy_allows() {
        let mut fake = FakeJob::new(Script::Succeed);
        let first = fake.runs()[0].clone();
        fake.runs().clear();
        for n in 0..MAX_CRASHES {
            let at = first.start + u64::from(n) * 3_000;
            let worker = format!("w{n}-0");
            let run = FakeJob::run(first.step, at, HandlerAct::Succeed);
            let run = crate::history::HandlerRun {
                finish: None,
                settled: None,
                crashes: n,
                worker,
                ..run
            };
            let kind = FaultKind::WorkerKilled;
            let worker = Some(run.worker.clone());
            fake.faults().push(FaultEntry {
                kind,
                worker,
                queue: None,
                server: None,
                from: at + 5,
                to: at + 6,
            });
            fake.runs().push(run);
        }
        let end = &mut fake.stored().ends[0];
        end.state = JobState::Dead;
        (end.rule, end.crashes, end.at) =
            (Some("max_crashes".into()), MAX_CRASHES, first.start + 9_000);
        assert_eq!(names(&fake), [""; 0]);
        // One of the workers lives.
        fake.faults().pop();
        assert_eq!(names(&fake), ["WrongEnd", "CrashWithoutDeath"]);
    }

    #[test]
    fn a_deleted_consumer_allows_a_second_run_in_its_queue_alone() {
        for (queue, found) in [("q", vec![]), ("other", vec!["RanTwice"])] {
            let mut fake = FakeJob::new(Script::Succeed);
            let mut again = fake.runs()[0].clone();
            let finish = again.finish.unwrap_or_default();
            (again.start, again.finish) = (finish + 500, Some(finish + 501));
            fake.runs().push(again);
            fake.end_at(finish + 502);
            let (kind, queue) = (FaultKind::ConsumerDeleted, Some(queue.to_owned()));
            let (from, to) = (finish, finish + 2);
            fake.faults().push(FaultEntry { kind, worker: None, queue, server: None, from, to });
            assert_eq!(names(&fake), found);
        }
    }
}
