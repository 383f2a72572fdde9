//! [`decide`]: what follows an attempt. The whole order of the rules is in this file.

use std::time::Duration;

use super::decision::{Because, Detail};
use super::jitter::delay_millis;
use super::{Action, Decision, Delay, RetryPolicy, Rule};
use crate::clock::millis_up;
use crate::{Advice, ErrorKind, JobId, Timestamp};

/// What is known about a job when a decision is due.
#[derive(Debug, Clone, Copy)]
pub struct AttemptFacts<'a> {
    /// The job; its id seeds the jitter.
    pub job_id: &'a JobId,
    /// The attempt that just ended, or for [`decide_start`] the one about to start. From 1.
    pub attempt: u32,
    /// How many workers have died while they ran this job.
    pub crashes: u32,
    /// When the first attempt began; `retry_for` counts from here.
    pub first_started_at: Timestamp,
    /// No attempt starts after this.
    pub deadline: Option<Timestamp>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// Without an error.
    Completed,
    /// With an error.
    Failed {
        /// What went wrong.
        kind: &'a ErrorKind,
        /// What the handler asks for.
        advice: Advice,
    },
}

/// Whether a delivered attempt may start.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// Run it.
    Run,
    /// Do not run it; settle this instead.
    Stop(Decision),
}

/// Decides what follows an attempt.
///
/// The first rule that speaks decides: success, the handler's `cancel`, its `snooze`, its "never"
/// (`fatal`); then `max_crashes`, `max_retries`, `ignore_on`, `retry_on`; then the delay is
/// computed (the handler's `retry_after`, else strategy, cap, and jitter inside the cap), and the
/// retry is made unless it would start after `retry_for` or the deadline.
pub fn decide(policy: &RetryPolicy, facts: &AttemptFacts<'_>, outcome: &Outcome<'_>) -> Decision {
    let case = Case { policy, facts };
    let &Outcome::Failed { kind, advice } = outcome else {
        return case.decision(Action::Complete, Rule::Succeeded, None, Detail::None);
    };
    let dead = |rule, detail| case.decision(Action::Dead, rule, Some(kind), detail);
    match advice {
        Advice::Cancel => {
            return case.decision(Action::Cancel, Rule::Cancel, Some(kind), Detail::None);
        }
        Advice::Snooze(delay) => return case.snooze(millis_up(delay)),
        Advice::Fatal => return dead(Rule::Fatal, Detail::None),
        Advice::Policy | Advice::RetryAfter(_) => {}
    }
    if let Some(detail) = case.crashed_too_often() {
        return dead(Rule::MaxCrashes, detail);
    }
    if facts.attempt > policy.max_retries {
        return dead(Rule::MaxRetries, Detail::None);
    }
    if let Some(listed) = policy.ignore_on.iter().find(|listed| kind.is(listed)) {
        return dead(Rule::IgnoreOn, Detail::Listed(listed.clone()));
    }
    if !policy.retry_on.is_empty() && !policy.retry_on.iter().any(|listed| kind.is(listed)) {
        return dead(Rule::RetryOn, Detail::None);
    }
    let (millis, rule, detail) = match advice {
        Advice::RetryAfter(delay) => (millis_up(delay), Rule::RetryAfter, Detail::None),
        _ => (delay_millis(policy, facts.job_id, facts.attempt), Rule::Strategy, case.shape()),
    };
    let at = case.later(millis);
    if let Some(limit) = policy.retry_for
        && at > facts.first_started_at + limit
    {
        let after = at.since(facts.first_started_at);
        return dead(Rule::RetryFor, Detail::TooLate { after, limit });
    }
    if let Some(detail) = case.past_deadline(at) {
        return dead(Rule::Deadline, detail);
    }
    let delay = Duration::from_millis(millis);
    case.decision(Action::Retry { delay, at }, rule, Some(kind), detail)
}

/// Decides whether a delivered attempt may start: not when its job has crashed too many workers,
/// nor after its deadline. A job without crashes always passes the first test.
pub fn decide_start(policy: &RetryPolicy, facts: &AttemptFacts<'_>) -> Start {
    let case = Case { policy, facts };
    if let Some(detail) = case.crashed_too_often() {
        return Start::Stop(case.decision(Action::Dead, Rule::MaxCrashes, None, detail));
    }
    if let Some(detail) = case.past_deadline(facts.now) {
        return Start::Stop(case.decision(Action::Expire, Rule::Deadline, None, detail));
    }
    Start::Run
}

struct Case<'a> {
    policy: &'a RetryPolicy,
    facts: &'a AttemptFacts<'a>,
}

impl Case<'_> {
    fn decision(
        &self,
        action: Action,
        rule: Rule,
        kind: Option<&ErrorKind>,
        detail: Detail,
    ) -> Decision {
        let because = Because {
            attempt: self.facts.attempt,
            max_attempts: self.policy.max_attempts(),
            kind: kind.cloned(),
            detail,
        };
        Decision { action, rule, because }
    }

    /// Nothing went wrong, so only the deadline can say no; and then the job has expired.
    fn snooze(&self, millis: u64) -> Decision {
        let at = self.later(millis);
        if let Some(detail) = self.past_deadline(at) {
            return self.decision(Action::Expire, Rule::Deadline, None, detail);
        }
        let delay = Duration::from_millis(millis);
        self.decision(Action::Snooze { delay, at }, Rule::Snooze, None, Detail::None)
    }

    fn later(&self, millis: u64) -> Timestamp {
        Timestamp::from_millis(self.facts.now.as_millis().saturating_add(millis))
    }

    fn crashed_too_often(&self) -> Option<Detail> {
        let (crashes, limit) = (self.facts.crashes, self.policy.max_crashes);
        (crashes >= limit).then_some(Detail::Crashes { crashes, limit })
    }

    fn past_deadline(&self, start: Timestamp) -> Option<Detail> {
        let deadline = self.facts.deadline?;
        (start > deadline).then_some(Detail::PastDeadline { start, deadline })
    }

    fn shape(&self) -> Detail {
        Detail::Shape {
            strategy: self.policy.strategy,
            list: matches!(self.policy.delay, Delay::List(_)),
            jitter: self.policy.jitter,
        }
    }
}
