//! [`Dependencies`]: the jobs that a job waits for, and which of their ends let it run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;

/// The most jobs that one job may wait for. Its message contains their keys.
pub const MAX_DEPENDENCIES: usize = 5000;

/// The time before a blocked job first checks its parents by itself, in case no worker released it.
/// The time doubles with each check.
const FIRST_CHECK: Duration = Duration::from_secs(60);
/// The longest time between two checks.
const SLOWEST_CHECK: Duration = Duration::from_secs(600);

/// The jobs that must end before this one may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// The parents, written as `queue/id`.
    pub on: Vec<JobKey>,
    /// Which ends of the parents let the job run.
    #[serde(default, skip_serializing_if = "RunWhen::is_default")]
    pub when: RunWhen,
    /// The job does not run before this time, even if its parents have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// True if the job no longer waits for its parents, because it has passed this gate before: in
    /// this life, or in a life before a requeue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// Which ends of its parents let a job run. With other ends the job is cancelled.
///
/// | when | the job runs | the job is cancelled |
/// |---|---|---|
/// | `AllCompleted` | when all parents have completed | as soon as one has failed |
/// | `AnyCompleted` | when all have ended and at least one has completed | when all have failed |
/// | `AnyFailed` | when all have ended and at least one has failed | when all have completed |
/// | `AllEnded` | when all have ended | never |
///
/// A parent has failed if it ended as dead, cancelled or expired. A failed attempt that will be
/// retried is not an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunWhen {
    /// All parents have completed. The first one that fails cancels the job.
    #[default]
    AllCompleted,
    /// All have ended, and at least one has completed (`allow_partial_dependencies`).
    AnyCompleted,
    /// All have ended, and at least one has not completed (`run_after_failure`).
    AnyFailed,
    /// All have ended, in any state.
    AllEnded,
}

/// How the parents of a job have ended so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// How many have completed.
    pub completed: usize,
    /// How many have ended as dead, cancelled or expired.
    pub otherwise: usize,
    /// One of the parents that did not complete, with its state.
    pub example: Option<(JobKey, JobState)>,
}

/// What the ends of its parents mean for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The job keeps waiting.
    Wait,
    /// The job may run.
    Run,
    /// The job ends as cancelled, for this reason.
    Cancel(String),
}

impl Dependencies {
    /// Dependencies on these jobs. A job that is given twice counts once.
    pub fn new(on: impl IntoIterator<Item = JobKey>, when: RunWhen) -> Self {
        let mut seen = std::collections::HashSet::new();
        let on = on.into_iter().filter(|key| seen.insert(key.clone())).collect();
        Self { on, when, not_before: None, waived: false }
    }

    /// Checks that the job `own` may depend on these jobs. Each must be named once, because the job
    /// waits for as many ends as there are names.
    ///
    /// # Errors
    /// A sentence that says what is invalid.
    pub fn check(&self, own: &JobKey) -> Result<(), String> {
        let count = self.on.len();
        if count > MAX_DEPENDENCIES {
            return Err(format!(
                "it depends on {count} jobs, at most {MAX_DEPENDENCIES} are allowed"
            ));
        }
        let mut seen = std::collections::HashSet::with_capacity(count);
        for key in &self.on {
            if key == own {
                return Err(format!("job {} depends on itself", own.id));
            }
            if !seen.insert(key) {
                return Err(format!("job {key} is named twice"));
            }
        }
        Ok(())
    }

    /// What these ends mean for the job; see [`RunWhen::verdict`].
    pub fn verdict(&self, ends: &Ends) -> Verdict {
        self.when.verdict(self.on.len(), ends)
    }

    /// When a blocked job checks its parents by itself: 1 min after its enqueue, then after 2, 4, 8
    /// and every 10 min. If its deadline comes first, it checks just after the deadline. `checks` is
    /// the number of checks so far.
    pub fn next_check(checks: u32, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let wait = FIRST_CHECK.saturating_mul(1 << checks.min(8)).min(SLOWEST_CHECK);
        let after_deadline = |at: Timestamp| at + Duration::from_millis(1);
        deadline.map_or(now + wait, |at| after_deadline(at).min(now + wait))
    }
}

impl RunWhen {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Decides by the table above for a job with `total` parents, of which some have ended. It decides
    /// as soon as the answer is certain.
    pub fn verdict(self, total: usize, ends: &Ends) -> Verdict {
        let all = ends.completed + ends.otherwise >= total;
        match self {
            Self::AllCompleted if ends.otherwise > 0 => Verdict::Cancel(ends.describe_failure()),
            _ if !all => Verdict::Wait,
            Self::AnyCompleted if ends.completed == 0 => Verdict::Cancel(format!(
                "no job that it depends on has completed: {}",
                ends.describe_failure()
            )),
            Self::AnyFailed if ends.otherwise == 0 => Verdict::Cancel(
                "it runs after a failure, and all that it depends on has completed".into(),
            ),
            _ => Verdict::Run,
        }
    }
}

impl Ends {
    /// Counts one more end.
    pub fn add(&mut self, key: &JobKey, state: JobState) {
        if state == JobState::Completed {
            self.completed += 1;
        } else {
            self.otherwise += 1;
            self.example.get_or_insert_with(|| (key.clone(), state));
        }
    }

    fn describe_failure(&self) -> String {
        match &self.example {
            Some((key, state)) => format!("job {key}, which it depends on, is {state}"),
            None => "a job that it depends on has not completed".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: usize) -> JobKey {
        format!("mail/job-{n}").parse().expect("a key")
    }

    /// The table of the documentation, for the ends that there are and whether a parent still waits.
    fn expected(when: RunWhen, waiting: bool, completed: bool, otherwise: bool) -> &'static str {
        match (when, waiting, completed, otherwise) {
            (RunWhen::AllCompleted, _, _, true) => "cancel",
            (_, true, _, _) => "wait",
            (RunWhen::AllCompleted, ..) => "run",
            (RunWhen::AnyCompleted, _, true, _) => "run",
            (RunWhen::AnyCompleted, _, false, _) => "cancel",
            (RunWhen::AnyFailed, _, _, true) => "run",
            (RunWhen::AnyFailed, _, _, false) => "cancel",
            (RunWhen::AllEnded, ..) => "run",
        }
    }

    #[test]
    fn the_truth_table_holds_for_every_combination_of_three_ends() {
        use JobState::{Cancelled, Completed, Dead, Expired};
        let ends = [None, Some(Completed), Some(Dead), Some(Cancelled), Some(Expired)];
        for when in
            [RunWhen::AllCompleted, RunWhen::AnyCompleted, RunWhen::AnyFailed, RunWhen::AllEnded]
        {
            for total in 1..=3_usize {
                for combination in 0..ends.len().pow(total as u32) {
                    let of = |n: usize| ends[combination / ends.len().pow(n as u32) % ends.len()];
                    let states: Vec<_> = (0..total).map(of).collect();
                    let mut known = Ends::default();
                    for (n, state) in states.iter().enumerate() {
                        state.iter().for_each(|state| known.add(&key(n), *state));
                    }
                    let any =
                        |test: fn(JobState) -> bool| states.iter().flatten().any(|s| test(*s));
                    let expected = expected(
                        when,
                        states.contains(&None),
                        any(|s| s == Completed),
                        any(|s| s != Completed),
                    );
                    let found = match when.verdict(total, &known) {
                        Verdict::Wait => "wait",
                        Verdict::Run => "run",
                        Verdict::Cancel(_) => "cancel",
                    };
                    assert_eq!(found, expected, "{when:?} {states:?}");
                }
            }
        }
    }

    #[test]
    fn a_later_end_never_changes_a_verdict() {
        use JobState::{Completed, Dead};
        for when in
            [RunWhen::AllCompleted, RunWhen::AnyCompleted, RunWhen::AnyFailed, RunWhen::AllEnded]
        {
            for order in 0..16_u32 {
                let mut ends = Ends::default();
                let mut decided = None;
                for n in 0..4 {
                    ends.add(&key(n), if order >> n & 1 == 0 { Completed } else { Dead });
                    let runs = match when.verdict(4, &ends) {
                        Verdict::Wait => None,
                        verdict => Some(verdict == Verdict::Run),
                    };
                    assert!(decided.is_none() || decided == runs, "{when:?} {order:04b}");
                    decided = runs;
                }
                assert!(decided.is_some(), "{when:?} {order:04b}");
            }
        }
    }

    #[test]
    fn the_reason_names_the_job_that_did_not_complete() {
        let mut ends = Ends::default();
        ends.add(&key(1), JobState::Dead);
        let Verdict::Cancel(reason) = RunWhen::AllCompleted.verdict(2, &ends) else {
            panic!("decided")
        };
        assert_eq!(reason, "job mail/job-1, which it depends on, is dead");
    }

    #[test]
    fn a_job_is_named_once_and_the_rest_of_the_wire_form_has_defaults() {
        let twice = Dependencies::new([key(1), key(2), key(1)], RunWhen::AllCompleted);
        let text = serde_json::to_string(&twice).expect("writes");
        assert_eq!(text, r#"{"on":["mail/job-1","mail/job-2"]}"#);
        assert_eq!(serde_json::from_str::<Dependencies>(&text).expect("reads"), twice);
    }

    #[test]
    fn a_blocked_job_checks_less_and_less_often_and_just_after_its_deadline() {
        let now = Timestamp::from_millis(0);
        let millis = |checks, deadline: Option<u64>| {
            let deadline = deadline.map(|s| Timestamp::from_millis(s * 1000));
            Dependencies::next_check(checks, now, deadline).since(now).as_millis()
        };
        let waits = [0, 1, 2, 3, 4, u32::MAX].map(|checks| millis(checks, None));
        assert_eq!(waits, [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
        assert_eq!((millis(9, Some(5)), millis(0, Some(3600))), (5_001, 60_000));
    }
}
