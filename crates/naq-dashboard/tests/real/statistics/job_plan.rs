//! [`JobPlan`]: what the handler of a job does, and how the job must end.

use std::time::Duration;

use naq_client::Enqueue;
use naq_core::ErrorKind;
use naq_core::retry::Rule;

use crate::setup::{Script, Step};

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Dead(Rule),
    Cancelled,
    /// Before its first attempt.
    Expired,
}

/// The planned steps and the planned end of a job.
#[derive(Debug)]
pub(crate) struct JobPlan {
    pub(crate) name: &'static str,
    /// How many of a hundred jobs have this plan.
    share: usize,
    pub(crate) end: End,
    steps: &'static [PlannedStep],
}

/// A step; its error message differs from job to job.
#[derive(Debug, Clone, Copy)]
enum PlannedStep {
    Ok,
    Refused,
    Slow,
    Invalid,
    Fatal,
    Snooze,
    Cancel,
}

use PlannedStep::{Cancel, Fatal, Invalid, Ok, Refused, Slow, Snooze};

const fn plan(
    name: &'static str,
    share: usize,
    end: End,
    steps: &'static [PlannedStep],
) -> JobPlan {
    JobPlan { name, share, end, steps }
}

const DONE: End = End::Completed;

pub(crate) const PLANS: &[JobPlan] = &[
    plan("1st attempt", 45, DONE, &[Ok]),
    plan("2nd attempt", 12, DONE, &[Refused, Ok]),
    plan("3rd attempt", 6, DONE, &[Refused, Slow, Ok]),
    plan("4th attempt", 4, DONE, &[Slow, Slow, Refused, Ok]),
    plan("no retry left", 6, End::Dead(Rule::MaxRetries), &[Refused, Slow, Slow, Refused]),
    plan("fatal at once", 4, End::Dead(Rule::Fatal), &[Fatal]),
    plan("fatal later", 3, End::Dead(Rule::Fatal), &[Slow, Fatal]),
    plan("ignored", 4, End::Dead(Rule::IgnoreOn), &[Invalid]),
    plan("not retried", 2, End::Dead(Rule::RetryOn), &[Invalid]),
    plan("too late", 2, End::Dead(Rule::RetryFor), &[Refused]),
    plan("cancelled", 3, End::Cancelled, &[Cancel]),
    plan("cancelled later", 2, End::Cancelled, &[Refused, Cancel]),
    plan("snoozed", 3, DONE, &[Snooze, Ok]),
    plan("snoozed and retried", 2, DONE, &[Snooze, Refused, Snooze, Ok]),
    plan("expired", 2, End::Expired, &[]),
];

/// The index of the plan of job `n`: mixed, and the same in every run of the test.
pub(crate) fn pick(n: usize) -> usize {
    let at = n * 37 % 100;
    let mut sum = 0;
    PLANS
        .iter()
        .position(|plan| {
            sum += plan.share;
            at < sum
        })
        .expect("shares that sum up to a hundred")
}

impl JobPlan {
    /// The script for job `n`.
    pub(crate) fn script(&self, n: usize) -> Script {
        Script::new(self.steps.iter().map(|step| step.step(n)))
    }

    /// How often the handler runs.
    pub(crate) fn runs(&self) -> usize {
        self.steps.len()
    }

    /// Sets the policy of the plan. Retries wait long enough for the broker to answer the worker, also on
    /// a busy machine: an attempt whose job runs again before the worker has the broker's answer counts
    /// as interrupted.
    pub(crate) fn apply<'a, O>(&self, job: Enqueue<'a, O>) -> Enqueue<'a, O> {
        let job = job.max_retries(3).retry_delay(Duration::from_millis(500));
        match self.end {
            End::Dead(Rule::IgnoreOn) => job.ignore_on([ErrorKind::VALUE]),
            End::Dead(Rule::RetryOn) => job.retry_on([ErrorKind::CONNECTION, ErrorKind::TIMEOUT]),
            End::Dead(Rule::RetryFor) => {
                job.retry_delay(Duration::from_secs(60)).retry_for(Duration::from_secs(5))
            }
            End::Expired => job.expires_in(Duration::from_millis(1)),
            _ => job,
        }
    }
}

impl PlannedStep {
    fn step(self, n: usize) -> Step {
        match self {
            Ok => Step::Ok,
            Refused => {
                Step::fail(ErrorKind::CONNECTION, format!("10.0.{}.7:4222 refused", n % 250))
            }
            Slow => Step::fail(ErrorKind::TIMEOUT, format!("no answer for order {n} in 30 s")),
            Invalid => Step::fail(ErrorKind::VALUE, format!("order {n} has no lines")),
            Fatal => Step::fatal(ErrorKind::VALUE, format!("order '{n}' is of 1999")),
            Snooze => Step::Snooze(500),
            Cancel => Step::Cancel,
        }
    }
}
