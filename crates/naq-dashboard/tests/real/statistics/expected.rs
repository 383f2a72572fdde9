//! [`Expected`]: the statistics that follow from the run log of the handlers.

use std::collections::BTreeMap;

use naq_core::retry::Rule;
use naq_core::stats::{Attempts, Counts, GroupHistory, pattern};
use naq_core::transport::JobKey;
use naq_core::{QueueName, TaskName};

use super::JobPlans;
use super::job_plan::End;
use crate::setup::{HandlerRun, Step};

type ByAttempt = BTreeMap<u32, u64>;

/// Task, kind and pattern.
type Group = (String, String, String);

#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) tasks: BTreeMap<(QueueName, TaskName), Tally>,
    pub(crate) groups: BTreeMap<Group, GroupCounts>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) starts: ByAttempt,
    pub(crate) completed: ByAttempt,
    pub(crate) retried: ByAttempt,
    pub(crate) dead: ByAttempt,
    pub(crate) cancelled: u64,
    pub(crate) expired: u64,
    snoozed: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupCounts {
    pub(crate) count: u64,
    pub(crate) retried: u64,
    pub(crate) dead: u64,
    rules: BTreeMap<Rule, u64>,
}

impl Expected {
    pub(crate) fn new(run_log: &[HandlerRun], plans: &JobPlans) -> Self {
        let mut runs: BTreeMap<JobKey, Vec<&HandlerRun>> = BTreeMap::new();
        for entry in run_log {
            let key = JobKey::new(entry.queue.clone(), entry.job.clone());
            runs.entry(key).or_default().push(entry);
        }
        let mut expected = Self::default();
        for (n, (key, plan)) in plans.iter().enumerate() {
            let runs = runs.remove(key).unwrap_or_default();
            assert_eq!(runs.len(), plan.runs(), "runs of job {n}, {key} ({})", plan.name);
            expected.job(key, plan.end, &runs);
        }
        assert!(runs.is_empty(), "{runs:?}");
        expected
    }

    fn job(&mut self, key: &JobKey, end: End, runs: &[&HandlerRun]) {
        // A job that never ran is not in the run log; its id gives its task.
        let task = runs.first().map_or_else(|| super::task_of(&key.id), |run| run.task.clone());
        let tally = self.tasks.entry((key.queue.clone(), task.clone())).or_default();
        for (at, run) in runs.iter().enumerate() {
            let last = at + 1 == runs.len();
            *tally.starts.entry(run.attempt).or_default() += 1;
            let (kind, message) = match &run.step {
                Step::Ok => {
                    *tally.completed.entry(run.attempt).or_default() += 1;
                    continue;
                }
                Step::Snooze(_) => {
                    tally.snoozed += 1;
                    continue;
                }
                Step::Cancel => {
                    tally.cancelled += 1;
                    continue;
                }
                Step::Fail(kind, message) | Step::Fatal(kind, message) => (kind, message),
            };
            let group = (task.to_string(), kind.clone(), pattern(message));
            let group = self.groups.entry(group).or_default();
            group.count += 1;
            let rule = match end {
                End::Dead(rule) if last => {
                    *tally.dead.entry(run.attempt).or_default() += 1;
                    group.dead += 1;
                    rule
                }
                _ => {
                    *tally.retried.entry(run.attempt).or_default() += 1;
                    group.retried += 1;
                    Rule::Strategy
                }
            };
            *group.rules.entry(rule).or_default() += 1;
        }
        tally.expired += u64::from(end == End::Expired);
    }

    pub(crate) fn all(&self) -> Tally {
        let mut all = Tally::default();
        self.tasks.values().for_each(|tally| all.add(tally));
        all
    }

    /// The counts of a task in all queues.
    pub(crate) fn task(&self, task: &TaskName) -> Tally {
        let mut sum = Tally::default();
        let of_task = self.tasks.iter().filter(|((_, of), _)| of == task);
        of_task.for_each(|(_, tally)| sum.add(tally));
        sum
    }

    /// How many jobs completed after a retry.
    pub(crate) fn saved(&self) -> u64 {
        self.all().completed.range(2..).map(|(_, n)| n).sum()
    }

    pub(crate) fn dead(&self) -> u64 {
        self.all().dead.values().sum()
    }
}

impl Tally {
    fn add(&mut self, other: &Self) {
        let sum = |mine: &mut ByAttempt, theirs: &ByAttempt| {
            theirs.iter().for_each(|(attempt, n)| *mine.entry(*attempt).or_default() += n);
        };
        sum(&mut self.starts, &other.starts);
        sum(&mut self.completed, &other.completed);
        sum(&mut self.retried, &other.retried);
        sum(&mut self.dead, &other.dead);
        self.cancelled += other.cancelled;
        self.expired += other.expired;
        self.snoozed += other.snoozed;
    }

    /// Panics if `counts` differs.
    pub(crate) fn assert_eq(&self, counts: &Counts, what: &str) {
        let by_attempt = |attempts: &Attempts| -> ByAttempt {
            attempts.iter().filter(|(_, n)| *n > 0).collect()
        };
        let none = (counts.held_back, counts.interrupted, counts.crashes);
        assert_eq!(none, (0, 0, 0), "held back, interrupted, crashed of {what}");
        assert_eq!(by_attempt(&counts.starts), self.starts, "starts of {what}");
        assert_eq!(by_attempt(&counts.completed), self.completed, "completed of {what}");
        assert_eq!(by_attempt(&counts.retried), self.retried, "retried of {what}");
        assert_eq!(by_attempt(&counts.dead), self.dead, "dead of {what}");
        assert_eq!(counts.cancelled, self.cancelled, "cancelled of {what}");
        assert_eq!(counts.expired, self.expired, "expired of {what}");
        assert_eq!(counts.snoozed, self.snoozed, "snoozed of {what}");
        let starts = counts.starts.total();
        assert_eq!(counts.duration.count(), starts, "durations of {what}");
        assert_eq!(counts.wait.count() + counts.lateness.count(), starts, "waits of {what}");
        assert_eq!(counts.delay.count(), counts.retried.total(), "delays of {what}");
    }
}

/// The counts of the error groups in the history.
pub(crate) fn group_counts(groups: &[GroupHistory]) -> BTreeMap<Group, GroupCounts> {
    let counts = |GroupHistory { group, points }: &GroupHistory| {
        assert_eq!(points.iter().map(|(_, n)| n).sum::<u64>(), group.count, "{group:?}");
        let name = (group.task.to_string(), group.kind.as_str().to_owned(), group.pattern.clone());
        let counts = GroupCounts {
            count: group.count,
            retried: group.retried,
            dead: group.dead,
            rules: group.rules.clone(),
        };
        (name, counts)
    };
    groups.iter().map(counts).collect()
}
