//! What becomes of a job: what its handler does, and how that must end.

use std::time::Duration;

use naq_client::Enqueue;
use naq_core::ErrorKind;
use naq_core::retry::Rule;

use crate::world::{Script, Step};

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Completed,
    Dead(Rule),
    Cancelled,
    /// Before anything ran.
    Expired,
}

/// One way of a job through the world.
#[derive(Debug)]
pub(crate) struct Fate {
    pub(crate) name: &'static str,
    /// How many of a hundred jobs.
    share: usize,
    pub(crate) end: End,
    steps: &'static [Doing],
}

/// A step, whose message differs from job to job.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Ok,
    Refused,
    Slow,
    Invalid,
    Fatal,
    Snooze,
    Cancel,
}

use Doing::{Cancel, Fatal, Invalid, Ok, Refused, Slow, Snooze};

const fn fate(name: &'static str, share: usize, end: End, steps: &'static [Doing]) -> Fate {
    Fate { name, share, end, steps }
}

const DONE: End = End::Completed;

pub(crate) const FATES: &[Fate] = &[
    fate("first try", 45, DONE, &[Ok]),
    fate("second try", 12, DONE, &[Refused, Ok]),
    fate("third try", 6, DONE, &[Refused, Slow, Ok]),
    fate("fourth try", 4, DONE, &[Slow, Slow, Refused, Ok]),
    fate("used up", 6, End::Dead(Rule::MaxRetries), &[Refused, Slow, Slow, Refused]),
    fate("fatal at once", 4, End::Dead(Rule::Fatal), &[Fatal]),
    fate("fatal later", 3, End::Dead(Rule::Fatal), &[Slow, Fatal]),
    fate("ignored", 4, End::Dead(Rule::IgnoreOn), &[Invalid]),
    fate("not retried", 2, End::Dead(Rule::RetryOn), &[Invalid]),
    fate("too late", 2, End::Dead(Rule::RetryFor), &[Refused]),
    fate("cancelled", 3, End::Cancelled, &[Cancel]),
    fate("cancelled later", 2, End::Cancelled, &[Refused, Cancel]),
    fate("snoozed", 3, DONE, &[Snooze, Ok]),
    fate("snoozed and retried", 2, DONE, &[Snooze, Refused, Snooze, Ok]),
    fate("expired", 2, End::Expired, &[]),
];

/// The fate of job `n`: spread, and the same in every run.
pub(crate) fn pick(n: usize) -> usize {
    let at = n * 37 % 100;
    let mut sum = 0;
    FATES
        .iter()
        .position(|fate| {
            sum += fate.share;
            at < sum
        })
        .expect("shares of a hundred")
}

impl Fate {
    /// What the handler of job `n` does.
    pub(crate) fn script(&self, n: usize) -> Script {
        Script::new(self.steps.iter().map(|doing| doing.step(n)))
    }

    /// How often it runs.
    pub(crate) fn runs(&self) -> usize {
        self.steps.len()
    }

    /// The policy that goes with it. Retries wait long enough for the broker's answer to what was
    /// written, also on a busy machine: an attempt that does not learn that it was settled before its
    /// job has gone on counts as interrupted.
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

impl Doing {
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
