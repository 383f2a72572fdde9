//! The jobs that a job waits for, and which ends of theirs let it run: the whole truth table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;

/// Jobs that one job may wait for: their keys travel in it.
pub const MAX_DEPENDENCIES: usize = 5000;

/// The first look of a waiting job at what it waits for, in case nobody told it; then twice as long
/// each time.
const FIRST_CHECK: Duration = Duration::from_secs(60);
/// The longest time between two such looks.
const SLOWEST_CHECK: Duration = Duration::from_secs(600);

/// The jobs that must end before this one may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// Which: `queue/id`.
    pub on: Vec<JobKey>,
    /// Which ends let it run.
    #[serde(default, skip_serializing_if = "RunWhen::is_default")]
    pub when: RunWhen,
    /// It does not run before this time either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// They have ended: the job has passed, in this life or in one that an operator has put back,
    /// and does not wait for them again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub waived: bool,
}

/// Which ends of the jobs that it depends on let a job run. Otherwise it ends as cancelled.
///
/// | when | runs | is cancelled |
/// |---|---|---|
/// | `AllCompleted` | once all have completed | as soon as one has ended otherwise |
/// | `AnyCompleted` | once all have ended, one of them completed | once all have ended otherwise |
/// | `AnyFailed` | once all have ended, one of them otherwise | once all have completed |
/// | `AllEnded` | once all have ended | never |
///
/// "Otherwise" is dead, cancelled or expired. An attempt that failed and will be retried is no end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunWhen {
    /// All have completed. The first that ends otherwise cancels the job.
    #[default]
    AllCompleted,
    /// All have ended, and at least one has completed (`allow_partial_dependencies`).
    AnyCompleted,
    /// All have ended, and at least one has not completed (`run_after_failure`).
    AnyFailed,
    /// All have ended, however.
    AllEnded,
}

/// How the jobs that a job depends on have ended so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// So many have completed.
    pub completed: usize,
    /// So many have ended otherwise.
    pub otherwise: usize,
    /// One of those that have ended otherwise, and how.
    pub example: Option<(JobKey, JobState)>,
}

/// What follows for the job that depends on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on waiting.
    Wait,
    /// It may run.
    Run,
    /// It ends as cancelled, for this reason.
    Cancel(String),
}

impl Dependencies {
    /// Dependencies on these jobs, each named once however often it is given.
    pub fn new(on: impl IntoIterator<Item = JobKey>, when: RunWhen) -> Self {
        let mut seen = std::collections::HashSet::new();
        let on = on.into_iter().filter(|key| seen.insert(key.clone())).collect();
        Self { on, when, not_before: None, waived: false }
    }

    /// Whether the job `own` may depend on these; otherwise what is wrong. Each has to be named
    /// once: as many ends are waited for as are named.
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

    /// What these ends mean for the job.
    pub fn verdict(&self, ends: &Ends) -> Verdict {
        self.when.verdict(self.on.len(), ends)
    }

    /// When a job that waits looks again by itself: 1 min after it was enqueued, then after 2, 4, 8
    /// and every 10 min; earlier where its deadline comes first, just after that.
    pub fn next_check(looks: u32, now: Timestamp, deadline: Option<Timestamp>) -> Timestamp {
        let wait = FIRST_CHECK.saturating_mul(1 << looks.min(8)).min(SLOWEST_CHECK);
        let after_deadline = |at: Timestamp| at + Duration::from_millis(1);
        deadline.map_or(now + wait, |at| after_deadline(at).min(now + wait))
    }
}

impl RunWhen {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The truth table: what follows for a job that depends on `total` others, of which some have
    /// ended. Decided as early as it is certain.
    pub fn verdict(self, total: usize, ends: &Ends) -> Verdict {
        let all = ends.completed + ends.otherwise >= total;
        match self {
            Self::AllCompleted if ends.otherwise > 0 => Verdict::Cancel(ends.blame()),
            _ if !all => Verdict::Wait,
            Self::AnyCompleted if ends.completed == 0 => Verdict::Cancel(format!(
                "no job that it depends on has completed: {}",
                ends.blame()
            )),
            Self::AnyFailed if ends.otherwise == 0 => Verdict::Cancel(
                "it runs after a failure, and all that it depends on has completed".into(),
            ),
            _ => Verdict::Run,
        }
    }
}

impl Ends {
    /// One more has ended.
    pub fn add(&mut self, key: &JobKey, state: JobState) {
        if state == JobState::Completed {
            self.completed += 1;
        } else {
            self.otherwise += 1;
            self.example.get_or_insert_with(|| (key.clone(), state));
        }
    }

    fn blame(&self) -> String {
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

    /// The table once more, in the words of the documents: which of the ends there are, and whether
    /// all have ended.
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
    fn what_is_decided_stays_decided_whatever_ends_later() {
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
    fn a_waiting_job_looks_ever_more_seldom_and_never_sleeps_through_its_deadline() {
        let now = Timestamp::from_millis(0);
        let secs = |looks, deadline: Option<u64>| {
            let deadline = deadline.map(|s| Timestamp::from_millis(s * 1000));
            Dependencies::next_check(looks, now, deadline).since(now).as_millis()
        };
        let waits = [0, 1, 2, 3, 4, u32::MAX].map(|looks| secs(looks, None));
        assert_eq!(waits, [60_000, 120_000, 240_000, 480_000, 600_000, 600_000]);
        assert_eq!((secs(9, Some(5)), secs(0, Some(3600))), (5_001, 60_000));
    }
}
