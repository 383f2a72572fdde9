//! [`RunList`]: the attempts that one worker process runs right now, as it tells the others. From these
//! lists follows whether a worker that ran a job is gone: a crash is counted on that evidence alone,
//! never because the broker delivered a message again.

use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{JobKey, QueueName, StateKey, StateKeyError, TaskName, WorkerId};
use crate::transport::StateEntry;
use crate::wire::Step;

/// A worker whose list is older than this many intervals is gone.
const MISSED_INTERVALS: u32 = 2;
/// What a list may be late beside that: the way through a busy broker.
const LATE: Duration = Duration::from_millis(300);
/// Runs in one list. Of a worker with more runs the others are left out: what it lists late is the
/// price of a bounded message.
pub const MAX_LISTED_RUNS: usize = 4_000;

/// The attempts that one worker process has begun and not settled. The process stores the list again
/// and again, and removes it when it stops.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunList {
    /// The worker.
    pub worker: WorkerId,
    /// The queues that it takes jobs from.
    pub queues: Vec<QueueName>,
    /// The time between two lists of this worker, in milliseconds.
    pub interval_ms: u64,
    /// The runs.
    #[serde(default)]
    pub runs: Vec<ListedRun>,
}

/// One attempt in a [`RunList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedRun {
    /// The job, as `queue/id`.
    pub job: JobKey,
    /// The step of the message that the worker runs.
    pub step: String,
    /// The crashes of the job that were known when it was begun.
    #[serde(default)]
    pub crashes: u32,
    /// When its handler was called, by the broker's clock. `None` before, and from an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// The task. `None` from an earlier version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// The nonce of the job's first life, which names its saved data. `None` if `step` is of that life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

impl RunList {
    /// The prefix of the state-store keys of all lists.
    ///
    /// # Errors
    /// Never: the key is a constant.
    pub fn prefix() -> Result<StateKey, StateKeyError> {
        StateKey::new(["run"])
    }

    /// The state-store key of the list of one process: `run.<worker>.<process>`. Two processes may
    /// have the same worker id, one after the other, so `process` is random.
    ///
    /// # Errors
    /// Never: valid names always fit.
    pub fn key(worker: &WorkerId, process: &str) -> Result<StateKey, StateKeyError> {
        StateKey::new(["run", worker.as_str(), process])
    }

    /// Reads a state-store entry. `None` if it is not a list that this version of NAQ can read.
    pub fn read(entry: &StateEntry) -> Option<Self> {
        serde_json::from_slice(&entry.value).ok()
    }

    /// The value of the state-store entry: JSON.
    pub fn value(&self) -> Bytes {
        // Names and numbers can always be written as JSON.
        serde_json::to_vec(self).unwrap_or_default().into()
    }

    /// How old a list may be before its worker counts as gone.
    pub fn gone_after(&self) -> Duration {
        Duration::from_millis(self.interval_ms) * MISSED_INTERVALS + LATE
    }

    fn run(&self, job: &JobKey, step: &Step) -> Option<&ListedRun> {
        self.runs.iter().find(|run| run.job == *job && run.step == step.to_string())
    }
}

/// A list of another process, and when the broker stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRunList {
    /// The list.
    pub list: RunList,
    /// When the broker stored it.
    pub stored_at: Timestamp,
}

/// A delivery that the broker made before, as the worker sees it that has it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redelivery {
    /// The job.
    pub job: JobKey,
    /// The step of the message.
    pub step: Step,
    /// How often the broker has delivered the message, this time included.
    pub delivered: u32,
    /// The crashes that the message itself says.
    pub crashes: u32,
    /// When this worker received it, by the broker's clock.
    pub received_at: Timestamp,
}

/// The worker that asks, by the broker's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// When the broker stored the asker's own newest list.
    pub now: Timestamp,
    /// For how long the broker has stored the asker's lists without a gap. While the broker was away,
    /// no worker could store a list, so that says nothing of the others.
    pub heard_for: Duration,
    /// The longest time between two of the asker's lists in `heard_for`. The broker may have been away
    /// that long without the asker's notice.
    pub may_have_missed: Duration,
}

/// What the lists say of a redelivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunEvidence {
    /// Another worker is alive and says that it runs this attempt. It must not begin here.
    RunsOn(WorkerId),
    /// Some workers have not stored a list since the delivery came. Look again soon.
    NotYet,
    /// The worker that ran this attempt is gone.
    Crashed {
        /// The worker.
        worker: WorkerId,
        /// The crashes of the job, this one included.
        crashes: u32,
    },
    /// No worker runs this attempt, and none that ran it is gone: the broker delivered it again by
    /// itself.
    NoCrash,
}

/// What the lists of all other processes say of a redelivery.
pub fn run_evidence(redelivery: &Redelivery, lists: &[SeenRunList], asker: Asker) -> RunEvidence {
    let Redelivery { job, step, delivered, crashes, received_at } = redelivery;
    let gone = |seen: &SeenRunList| {
        let after = seen.list.gone_after() + asker.may_have_missed;
        asker.now.since(seen.stored_at) > after && asker.heard_for > after
    };
    let (gone, alive): (Vec<_>, Vec<_>) = lists
        .iter()
        .filter(|seen| seen.list.queues.contains(&job.queue))
        .partition(|seen| gone(seen));
    let fresh = |seen: &&SeenRunList| seen.stored_at >= *received_at;
    if let Some(runs) = alive.iter().find(|seen| fresh(seen) && seen.list.run(job, step).is_some())
    {
        return RunEvidence::RunsOn(runs.list.worker.clone());
    }
    if *delivered < 2 {
        // No worker had it before, as far as the broker says. One may run it all the same: a broker
        // that was killed forgets its last deliveries.
        return match alive.iter().find(|seen| seen.list.run(job, step).is_some()) {
            Some(_) => RunEvidence::NotYet,
            None => RunEvidence::NoCrash,
        };
    }
    if !alive.iter().all(fresh) {
        return RunEvidence::NotYet;
    }
    let listed = gone.iter().filter_map(|seen| Some((seen, seen.list.run(job, step)?)));
    if let Some((seen, run)) = listed.max_by_key(|(_, run)| run.crashes) {
        // The message may count this death already: another worker found it, and gave the job back.
        return match run.crashes.saturating_add(1) {
            found if found > *crashes => {
                RunEvidence::Crashed { worker: seen.list.worker.clone(), crashes: found }
            }
            _ => RunEvidence::NoCrash,
        };
    }
    // A worker that is gone and does not list the attempt may have had it in hand, and is not known to
    // have started it.
    RunEvidence::NoCrash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    fn redelivery(delivered: u32) -> Redelivery {
        Redelivery {
            job: "default/job-1".parse().expect("a key"),
            step: "a/1/0".parse().expect("a step"),
            delivered,
            crashes: 0,
            received_at: at(100),
        }
    }

    fn seen(worker: &str, stored_at: Timestamp, runs: &[(&str, u32)]) -> SeenRunList {
        let runs = runs.iter().map(|(step, crashes)| ListedRun {
            job: "default/job-1".parse().expect("a key"),
            step: (*step).to_owned(),
            crashes: *crashes,
            started_at: None,
            task: None,
            origin: None,
        });
        let list = RunList {
            worker: WorkerId::new(worker).expect("an id"),
            queues: vec![QueueName::default()],
            interval_ms: 1_000,
            runs: runs.collect(),
        };
        SeenRunList { list, stored_at }
    }

    fn evidence(delivered: u32, lists: &[SeenRunList]) -> RunEvidence {
        run_evidence(&redelivery(delivered), lists, asker(60))
    }

    fn asker(heard_for_secs: u64) -> Asker {
        let heard_for = Duration::from_secs(heard_for_secs);
        Asker { now: at(101), heard_for, may_have_missed: Duration::ZERO }
    }

    fn crashed(worker: &str, crashes: u32) -> RunEvidence {
        RunEvidence::Crashed { worker: WorkerId::new(worker).expect("an id"), crashes }
    }

    #[test]
    fn a_redelivery_alone_is_no_crash() {
        assert_eq!(evidence(2, &[]), RunEvidence::NoCrash);
        assert_eq!(evidence(9, &[seen("w2", at(100), &[])]), RunEvidence::NoCrash);
        // A worker that died long before the lease was renewed for the last time.
        assert_eq!(evidence(2, &[seen("w1", at(50), &[])]), RunEvidence::NoCrash);
    }

    #[test]
    fn a_run_of_a_worker_that_is_alive_does_not_begin_elsewhere() {
        let runs_on = RunEvidence::RunsOn(WorkerId::new("w1").expect("an id"));
        assert_eq!(evidence(2, &[seen("w1", at(100), &[("a/1/0", 0)])]), runs_on);
        assert_eq!(evidence(1, &[seen("w1", at(100), &[("a/1/0", 0)])]), runs_on);
        // Another life, and an earlier attempt of it.
        assert_eq!(evidence(2, &[seen("w1", at(100), &[("b/1/0", 0)])]), RunEvidence::NoCrash);
    }

    #[test]
    fn a_worker_that_was_not_heard_since_is_waited_for_until_it_is_gone() {
        assert_eq!(evidence(2, &[seen("w1", at(99), &[])]), RunEvidence::NotYet);
        assert_eq!(evidence(1, &[seen("w1", at(99), &[("a/1/0", 0)])]), RunEvidence::NotYet);
        assert_eq!(evidence(1, &[seen("w1", at(99), &[])]), RunEvidence::NoCrash);
        assert_eq!(evidence(2, &[seen("w1", at(97), &[("a/1/0", 0)])]), crashed("w1", 1));
    }

    #[test]
    fn a_worker_that_is_gone_and_listed_the_run_has_crashed_with_it() {
        assert_eq!(evidence(2, &[seen("w1", at(60), &[("a/1/0", 0)])]), crashed("w1", 1));
        // It knew of two crashes when it began.
        let lists = [seen("w1", at(60), &[("a/1/0", 0)]), seen("w2", at(80), &[("a/1/0", 2)])];
        assert_eq!(evidence(4, &lists), crashed("w2", 3));
    }

    #[test]
    fn a_job_that_waited_in_a_worker_that_died_has_not_crashed_it() {
        // It died a moment ago, with deliveries that it may not have started.
        for delivered in [2, 3] {
            assert_eq!(evidence(delivered, &[seen("w1", at(92), &[])]), RunEvidence::NoCrash);
        }
        // An earlier worker that listed it still counts, and counts once.
        let lists = [seen("w0", at(60), &[("a/1/0", 0)]), seen("w1", at(92), &[])];
        assert_eq!(evidence(3, &lists), crashed("w0", 1));
    }

    #[test]
    fn a_death_that_the_message_counts_already_is_not_counted_again() {
        let lists = [seen("w1", at(60), &[("a/1/0", 0)])];
        let asker = asker(60);
        let given_back = Redelivery { crashes: 1, ..redelivery(2) };
        assert_eq!(run_evidence(&given_back, &lists, asker), RunEvidence::NoCrash);
        let lists = [seen("w1", at(60), &[("a/1/0", 1)])];
        assert_eq!(run_evidence(&given_back, &lists, asker), crashed("w1", 2));
    }

    #[test]
    fn while_the_broker_was_away_nobody_is_gone() {
        let asker = asker(1);
        let lists = [seen("w1", at(60), &[("a/1/0", 0)])];
        assert_eq!(run_evidence(&redelivery(2), &lists, asker), RunEvidence::NotYet);
        let asker = Asker { heard_for: Duration::from_secs(4), ..asker };
        assert_eq!(run_evidence(&redelivery(2), &lists, asker), crashed("w1", 1));
    }

    #[test]
    fn an_outage_that_the_asker_may_have_missed_makes_no_worker_gone() {
        // The asker stores its list every 3 s. The broker may have been away for 3 s of these 4.
        let asker = Asker { may_have_missed: Duration::from_secs(3), ..asker(60) };
        let lists = [seen("w1", at(97), &[("a/1/0", 0)])];
        assert_eq!(run_evidence(&redelivery(2), &lists, asker), RunEvidence::NotYet);
        let lists = [seen("w1", at(95), &[("a/1/0", 0)])];
        assert_eq!(run_evidence(&redelivery(2), &lists, asker), crashed("w1", 1));
        let asker = Asker { heard_for: Duration::from_secs(4), ..asker };
        assert_eq!(run_evidence(&redelivery(2), &lists, asker), RunEvidence::NotYet);
    }

    #[test]
    fn a_worker_of_other_queues_says_nothing() {
        let mut other = seen("w1", at(97), &[]);
        other.list.queues = vec![QueueName::new("mail").expect("a name")];
        assert_eq!(evidence(2, &[other]), RunEvidence::NoCrash);
    }
}
