//! [`Runs`]: the attempts that workers run, by job, by queue and by worker.

use std::collections::{HashMap, HashSet};

use naq_core::clock::Timestamp;
use naq_core::flow::{ListedRun, RunList};
use naq_core::names::{JobKey, QueueName, StateKey, TaskName, WorkerId};
use naq_core::wire::{Nonce, Step};
use serde::Serialize;

use crate::Progress;

/// An attempt that a worker has in a slot.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Run {
    /// The job, as `queue/id`.
    pub job: JobKey,
    /// The task. `None` if the worker has an earlier version, which does not say it.
    pub task: Option<TaskName>,
    /// The worker.
    pub worker: WorkerId,
    /// The attempt, counted from 1.
    pub attempt: u32,
    /// When the worker called the handler, by the broker's clock. `None` while a limit, a breaker or
    /// another gate checks the job.
    pub started_at: Option<Timestamp>,
    /// When the worker said last that it runs the attempt, by the broker's clock.
    pub seen_at: Timestamp,
    /// The worker has not said so for longer than its lists may be late: it is gone. Another worker
    /// takes the job when its lease ends.
    pub worker_is_gone: bool,
    /// The progress that the handler last reported. `None` before
    /// [`Client::add_progress`](crate::Client::add_progress), and if the handler reports none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    #[serde(skip)]
    nonce: Nonce,
    #[serde(skip)]
    origin: Nonce,
}

impl Run {
    fn new(
        list: &RunList,
        listed: &ListedRun,
        stored_at: Timestamp,
        is_gone: bool,
    ) -> Option<Self> {
        let step: Step = listed.step.parse().ok()?;
        let origin = listed.origin.as_deref().and_then(|origin| Nonce::parse(origin).ok());
        Some(Self {
            job: listed.job.clone(),
            task: listed.task.clone(),
            worker: list.worker.clone(),
            attempt: step.attempt,
            started_at: listed.started_at,
            seen_at: stored_at,
            worker_is_gone: is_gone,
            progress: None,
            origin: origin.unwrap_or_else(|| step.nonce.clone()),
            nonce: step.nonce,
        })
    }

    /// The state-store key of the progress that its handler reports.
    pub(super) fn progress_key(&self) -> StateKey {
        Progress::key_of(&self.job, &self.origin)
    }

    /// The runs that started first come first.
    fn age(&self) -> (Timestamp, &JobKey) {
        (self.started_at.unwrap_or(self.seen_at), &self.job)
    }
}

/// The attempts that workers run, those that started first before the others.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    runs: Vec<Run>,
    by_queue: HashMap<QueueName, u64>,
    /// Workers with a list that is not late.
    alive: HashSet<WorkerId>,
}

impl Runs {
    /// The runs of these lists, each with the time at which the broker stored it.
    pub(super) fn of(lists: &[(RunList, Timestamp)], now: Timestamp) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let mut alive = HashSet::new();
        for (list, stored_at) in lists {
            let is_gone = now.since(*stored_at) > list.gone_after();
            if !is_gone {
                alive.insert(list.worker.clone());
            }
            runs.extend(
                list.runs.iter().filter_map(|run| Run::new(list, run, *stored_at, is_gone)),
            );
        }
        runs.sort_by(|a, b| a.age().cmp(&b.age()));
        let mut by_queue = HashMap::new();
        for run in runs.iter().filter(|run| !run.worker_is_gone) {
            *by_queue.entry(run.job.queue.clone()).or_default() += 1;
        }
        Self { runs, by_queue, alive }
    }

    /// All runs. Those of workers that are gone are among them.
    pub fn all(&self) -> &[Run] {
        &self.runs
    }

    /// All runs, to add what was read about them.
    pub(super) fn all_mut(&mut self) -> &mut [Run] {
        &mut self.runs
    }

    /// The run of this job. If two workers list it, the one that said so last.
    pub fn of_job(&self, job: &JobKey) -> Option<&Run> {
        let runs = self.runs.iter().filter(|run| run.job == *job);
        runs.max_by_key(|run| (!run.worker_is_gone, run.seen_at))
    }

    /// The run of this job in the life with this nonce.
    pub(super) fn of_life(&self, job: &JobKey, nonce: &Nonce) -> Option<&Run> {
        self.of_job(job).filter(|run| run.nonce == *nonce)
    }

    /// The runs of this queue.
    pub fn of_queue<'a>(&'a self, queue: &'a QueueName) -> impl Iterator<Item = &'a Run> {
        self.runs.iter().filter(move |run| run.job.queue == *queue)
    }

    /// The runs of this worker. The worker may have started again after a crash: then those of its earlier
    /// process are left out.
    pub fn of_worker<'a>(&'a self, worker: &'a WorkerId) -> impl Iterator<Item = &'a Run> {
        let is_alive = self.alive.contains(worker);
        let of_worker = self.runs.iter().filter(move |run| run.worker == *worker);
        of_worker.filter(move |run| !(is_alive && run.worker_is_gone))
    }

    /// How many of the `delivered` jobs of the queue have a slot. The others wait in a worker for one.
    /// The broker counts only what it has delivered, and the lists are up to a second old.
    pub fn running(&self, queue: &QueueName, delivered: u64) -> u64 {
        self.by_queue.get(queue).copied().unwrap_or_default().min(delivered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + seconds * 1_000)
    }

    fn listed(job: &str, step: &str, started: Option<u64>) -> ListedRun {
        let job = job.parse().expect("a key");
        let (step, started_at) = (step.to_owned(), started.map(at));
        ListedRun { job, step, crashes: 0, started_at, task: None, origin: None }
    }

    fn list(worker: &str, stored: u64, runs: Vec<ListedRun>) -> (RunList, Timestamp) {
        let worker = WorkerId::new(worker).expect("an id");
        (RunList { worker, queues: vec![], interval_ms: 1_000, runs }, at(stored))
    }

    #[test]
    fn a_job_is_found_with_its_worker_and_the_time_of_its_start() {
        let lists = [
            list("w1", 100, vec![listed("mail/1", "a/1/0", Some(90))]),
            list(
                "w2",
                100,
                vec![listed("mail/2", "b/3/0", Some(70)), listed("slow/3", "c/1/0", None)],
            ),
        ];
        let runs = Runs::of(&lists, at(101));
        let run = runs.of_job(&"mail/2".parse().expect("a key")).expect("runs");
        assert_eq!((run.worker.as_str(), run.attempt, run.started_at), ("w2", 3, Some(at(70))));
        let order: Vec<_> = runs.all().iter().map(|run| run.job.id.as_str()).collect();
        assert_eq!(order, ["2", "1", "3"], "the longest first");
        assert_eq!(runs.of_worker(&WorkerId::new("w2").expect("an id")).count(), 2);
        assert_eq!(runs.of_queue(&"mail".parse().expect("a name")).count(), 2);
        assert!(runs.of_job(&"mail/3".parse().expect("a key")).is_none());
    }

    #[test]
    fn a_worker_that_is_gone_runs_nothing_and_its_jobs_say_so() {
        let lists = [list("w1", 90, vec![listed("mail/1", "a/1/0", Some(80))])];
        let runs = Runs::of(&lists, at(100));
        let mail = "mail".parse().expect("a name");
        assert_eq!(runs.running(&mail, 9), 0);
        assert!(runs.of_job(&"mail/1".parse().expect("a key")).expect("listed").worker_is_gone);
        // Another worker has the job meanwhile.
        let lists = [lists[0].clone(), list("w2", 99, vec![listed("mail/1", "a/1/0", Some(98))])];
        let runs = Runs::of(&lists, at(100));
        assert_eq!(runs.running(&mail, 9), 1);
        assert_eq!(
            runs.of_job(&"mail/1".parse().expect("a key")).expect("runs").worker.as_str(),
            "w2"
        );
    }

    #[test]
    fn a_worker_that_started_again_runs_nothing_of_its_earlier_process() {
        let worker = WorkerId::new("w1").expect("an id");
        let earlier = list("w1", 90, vec![listed("mail/1", "a/1/0", Some(80))]);
        let idle = list("w1", 100, Vec::new());
        let runs = Runs::of(&[earlier.clone(), idle], at(100));
        assert_eq!(runs.of_worker(&worker).count(), 0, "it is idle");
        let busy = list("w1", 100, vec![listed("mail/2", "b/1/0", Some(99))]);
        let runs = Runs::of(&[earlier.clone(), busy], at(100));
        let jobs: Vec<_> = runs.of_worker(&worker).map(|run| run.job.id.as_str()).collect();
        assert_eq!(jobs, ["2"]);
        let runs = Runs::of(&[earlier], at(100));
        assert_eq!(runs.of_worker(&worker).count(), 1, "those of a worker that is gone are shown");
    }

    #[test]
    fn no_more_jobs_run_than_the_broker_has_delivered() {
        let lists = [list(
            "w1",
            100,
            vec![listed("mail/1", "a/1/0", Some(99)), listed("mail/2", "b/1/0", Some(99))],
        )];
        let runs = Runs::of(&lists, at(100));
        let mail = "mail".parse().expect("a name");
        assert_eq!([0, 1, 2, 149].map(|delivered| runs.running(&mail, delivered)), [0, 1, 2, 2]);
    }

    #[test]
    fn an_earlier_life_of_the_job_is_another_run() {
        let lists = [list("w1", 100, vec![listed("mail/1", "a/1/0", Some(99))])];
        let runs = Runs::of(&lists, at(100));
        let key = "mail/1".parse().expect("a key");
        assert!(runs.of_life(&key, &Nonce::parse("a").expect("a nonce")).is_some());
        assert!(runs.of_life(&key, &Nonce::parse("b").expect("a nonce")).is_none());
    }
}
