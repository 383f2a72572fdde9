//! [`Retries`]: the loop that runs a call again as its policy says.

use std::fmt;
use std::time::Duration;

use naq_core::{
    Action, AttemptFacts, Clock, Decision, Failure, JobId, Outcome, RetryPolicy, decide,
};

/// How to retry one call.
pub struct Retries<'a> {
    /// When to retry, and when to give up.
    pub policy: &'a RetryPolicy,
    /// The name of the call. Jitter is computed from it: each call has its own delays, and the same
    /// call has the same delays in every run.
    pub call_id: &'a JobId,
    /// Where the loop reads the time.
    pub clock: &'a dyn Clock,
    /// How the loop waits between attempts.
    pub sleep: &'a dyn Fn(Duration),
}

impl Retries<'_> {
    /// Runs `attempt` until it succeeds or the policy says that no retry follows. After each failed
    /// attempt it calls `on_decision`.
    ///
    /// # Errors
    /// The failure of the last attempt.
    pub fn call<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Failure>,
        mut on_decision: impl FnMut(&Decision),
    ) -> Result<T, Failure> {
        let first_started_at = self.clock.now();
        let mut number = 1;
        loop {
            let failure = match attempt() {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            let facts = AttemptFacts {
                job_id: self.call_id,
                attempt: number,
                crashes: 0, // only a queue sees its workers crash
                first_started_at,
                deadline: None,
                now: self.clock.now(),
            };
            let outcome = Outcome::Failed { kind: failure.kind(), advice: failure.advice() };
            let decision = decide(self.policy, &facts, &outcome);
            on_decision(&decision);
            let Action::Retry { delay, .. } = decision.action else { return Err(failure) };
            (self.sleep)(delay);
            number += 1;
        }
    }
}

impl fmt::Debug for Retries<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retries")
            .field("policy", &self.policy)
            .field("call_id", &self.call_id)
            .finish_non_exhaustive()
    }
}
