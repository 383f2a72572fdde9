//! [`decide`]: what follows an attempt. This file has all rules, in their order.

use std::time::Duration;

use super::decision::{ReasonData, ReasonDetail};
use super::delay::delay_millis;
use super::{Action, Decision, Delay, RetryPolicy, Rule};
use crate::clock::millis_up;
use crate::{Advice, ErrorKind, JobId, Timestamp};

/// What [`decide`] knows about a job and its attempt.
#[derive(Debug, Clone, Copy)]
pub struct AttemptFacts<'a> {
    /// The id of the job. The jitter is computed from it.
    pub job_id: &'a JobId,
    /// The number of the attempt, from 1: for [`decide`] the one that has ended, for
    /// [`decide_start`] the one that is about to start.
    pub attempt: u32,
    /// How many workers have crashed while they ran this job. Always 0 outside of a queue.
    pub crashes: u32,
    /// When the first attempt started. `retry_for` counts from this time.
    pub first_started_at: Timestamp,
    /// No attempt starts after this time. `None` for no limit.
    pub deadline: Option<Timestamp>,
    /// The time of the decision.
    pub now: Timestamp,
}

/// How an attempt ended: the input of [`decide`].
#[derive(Debug, Clone, Copy)]
pub enum Outcome<'a> {
    /// The attempt succeeded.
    Completed,
    /// The attempt failed.
    Failed {
        /// The error kind.
        kind: &'a ErrorKind,
        /// What the handler asked for with its failure.
        advice: Advice,
    },
}

/// Whether a delivered attempt may start.
#[derive(Debug, Clone, PartialEq)]
pub enum Start {
    /// The attempt may start.
    Run,
    /// The attempt must not start. This decision takes its place.
    Stop(Decision),
}

/// Decides what follows an attempt.
///
/// The first rule that applies decides, in this order:
///
/// 1. Success completes the job.
/// 2. The handler's advice: `cancel`, `snooze`, `crash`, `fatal`.
/// 3. The limits: `max_crashes`, `max_retries`.
/// 4. The error kind: `ignore_on`, then `retry_on`.
/// 5. The delay: the handler's `retry_after`, or else strategy, `max_delay` and jitter. If the retry
///    would start after `retry_for` or the deadline, the job is dead; otherwise it is retried.
///
/// ```
/// use naq_core::retry::{AttemptFacts, Outcome, RetryPolicy, Rule, decide};
/// use naq_core::{Advice, ErrorKind, JobId, Timestamp};
///
/// let job_id = JobId::new("job-1")?;
/// let now = Timestamp::from_millis(0);
/// let facts = AttemptFacts {
///     job_id: &job_id,
///     attempt: 1,
///     crashes: 0,
///     first_started_at: now,
///     deadline: None,
///     now,
/// };
/// let failed = Outcome::Failed { kind: &ErrorKind::VALUE, advice: Advice::Policy };
/// let decision = decide(&RetryPolicy::selective(), &facts, &failed);
/// assert_eq!(decision.rule, Rule::IgnoreOn);
/// # Ok::<(), naq_core::NameError>(())
/// ```
pub fn decide(policy: &RetryPolicy, facts: &AttemptFacts<'_>, outcome: &Outcome<'_>) -> Decision {
    let input = DecideInput { policy, facts };
    let &Outcome::Failed { kind, advice } = outcome else {
        return input.decision(Action::Complete, Rule::Succeeded, None, ReasonDetail::None);
    };
    let dead = |rule, detail| input.decision(Action::Dead, rule, Some(kind), detail);
    match advice {
        Advice::Cancel => {
            return input.decision(Action::Cancel, Rule::Cancel, Some(kind), ReasonDetail::None);
        }
        Advice::Snooze(delay) => return input.snooze(millis_up(delay)),
        Advice::Crash => return input.crash(kind),
        Advice::Fatal => return dead(Rule::Fatal, ReasonDetail::None),
        Advice::Policy | Advice::RetryAfter(_) => {}
    }
    if let Some(detail) = input.crash_limit_detail() {
        return dead(Rule::MaxCrashes, detail);
    }
    // After the last number there is no attempt that could be counted.
    if facts.attempt > policy.max_retries || facts.attempt == u32::MAX {
        return dead(Rule::MaxRetries, ReasonDetail::None);
    }
    if let Some(listed) = policy.ignore_on.iter().find(|listed| kind.is(listed)) {
        return dead(Rule::IgnoreOn, ReasonDetail::Listed(listed.clone()));
    }
    if !policy.retry_on.is_empty() && !policy.retry_on.iter().any(|listed| kind.is(listed)) {
        return dead(Rule::RetryOn, ReasonDetail::None);
    }
    let (millis, rule, detail) = match advice {
        Advice::RetryAfter(delay) => (millis_up(delay), Rule::RetryAfter, ReasonDetail::None),
        _ => (
            delay_millis(policy, facts.job_id, facts.attempt),
            Rule::Strategy,
            input.strategy_detail(),
        ),
    };
    let at = input.retry_at(millis);
    if let Some(limit) = policy.retry_for
        && at > facts.first_started_at + limit
    {
        let after = at.since(facts.first_started_at);
        return dead(Rule::RetryFor, ReasonDetail::TooLate { after, limit });
    }
    if let Some(detail) = input.past_deadline(at) {
        return dead(Rule::Deadline, detail);
    }
    let delay = Duration::from_millis(millis);
    input.decision(Action::Retry { delay, at }, rule, Some(kind), detail)
}

/// Decides whether a delivered attempt may start. It must not start if its job has crashed
/// `max_crashes` workers, or after its deadline.
pub fn decide_start(policy: &RetryPolicy, facts: &AttemptFacts<'_>) -> Start {
    let input = DecideInput { policy, facts };
    if let Some(detail) = input.crash_limit_detail() {
        return Start::Stop(input.decision(Action::Dead, Rule::MaxCrashes, None, detail));
    }
    if let Some(detail) = input.past_deadline(facts.now) {
        return Start::Stop(input.decision(Action::Expire, Rule::Deadline, None, detail));
    }
    Start::Run
}

struct DecideInput<'a> {
    policy: &'a RetryPolicy,
    facts: &'a AttemptFacts<'a>,
}

impl DecideInput<'_> {
    fn decision(
        &self,
        action: Action,
        rule: Rule,
        kind: Option<&ErrorKind>,
        detail: ReasonDetail,
    ) -> Decision {
        let reason_data = ReasonData {
            attempt: self.facts.attempt,
            max_attempts: self.policy.max_attempts(),
            kind: kind.cloned(),
            detail,
        };
        Decision { action, rule, reason_data }
    }

    /// A snooze is not a failure, so only the deadline can prevent it. If the job would run after its
    /// deadline, it ends as expired.
    fn snooze(&self, millis: u64) -> Decision {
        let at = self.retry_at(millis);
        if let Some(detail) = self.past_deadline(at) {
            return self.decision(Action::Expire, Rule::Deadline, None, detail);
        }
        let delay = Duration::from_millis(millis);
        self.decision(Action::Snooze { delay, at }, Rule::Snooze, None, ReasonDetail::None)
    }

    /// The job runs again after the delay that the policy gives the attempt, or is poison. As with a
    /// crash of a worker, neither `retry_on` nor `max_retries` has a say.
    fn crash(&self, kind: &ErrorKind) -> Decision {
        let (crashes, limit) = (self.facts.crashes.saturating_add(1), self.policy.max_crashes);
        if crashes >= limit {
            let detail = ReasonDetail::Crashes { crashes, limit };
            return self.decision(Action::Dead, Rule::MaxCrashes, Some(kind), detail);
        }
        let millis = delay_millis(self.policy, self.facts.job_id, self.facts.attempt);
        let at = self.retry_at(millis);
        if let Some(detail) = self.past_deadline(at) {
            return self.decision(Action::Expire, Rule::Deadline, Some(kind), detail);
        }
        let action = Action::Snooze { delay: Duration::from_millis(millis), at };
        self.decision(action, Rule::Crash, Some(kind), ReasonDetail::None)
    }

    fn retry_at(&self, millis: u64) -> Timestamp {
        Timestamp::from_millis(self.facts.now.as_millis().saturating_add(millis))
    }

    fn crash_limit_detail(&self) -> Option<ReasonDetail> {
        let crashes = self.facts.crashes;
        let limit = self.policy.max_crashes;
        (crashes >= limit).then_some(ReasonDetail::Crashes { crashes, limit })
    }

    fn past_deadline(&self, start: Timestamp) -> Option<ReasonDetail> {
        let deadline = self.facts.deadline?;
        (start > deadline).then_some(ReasonDetail::PastDeadline { start, deadline })
    }

    fn strategy_detail(&self) -> ReasonDetail {
        ReasonDetail::Strategy {
            strategy: self.policy.strategy,
            list: matches!(self.policy.delay, Delay::List(_)),
            jitter: self.policy.jitter,
        }
    }
}
