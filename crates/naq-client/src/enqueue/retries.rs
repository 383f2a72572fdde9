//! Options: when and how often the job is retried.

use std::time::Duration;

use naq_core::failure::ErrorKind;
use naq_core::retry::{Delay, Jitter, PolicyBuilder, RetryPolicy, Strategy};

use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Replaces the whole retry policy. Takes a policy, or a reference to one.
    #[doc(alias = "retry_policy")]
    pub fn policy(mut self, policy: impl Into<RetryPolicy>) -> Self {
        self.policy = policy.into().to_builder();
        self
    }

    fn retry(mut self, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        self.policy = change(self.policy);
        self
    }

    /// The most retries: attempts after the first.
    #[doc(alias = "attempts")]
    #[doc(alias = "max_attempts")]
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.retry(|p| p.max_retries(max_retries))
    }

    /// The delay before a retry, or a list with one delay for each retry.
    #[doc(alias = "backoff")]
    pub fn retry_delay(self, delay: impl Into<Delay>) -> Self {
        self.retry(|p| p.delay(delay))
    }

    /// How the delay grows from retry to retry.
    pub fn retry_strategy(self, strategy: Strategy) -> Self {
        self.retry(|p| p.strategy(strategy))
    }

    /// With [`Strategy::Linear`]: by how much the delay grows each time.
    pub fn retry_increment(self, increment: Duration) -> Self {
        self.retry(|p| p.increment(increment))
    }

    /// With [`Strategy::Exponential`]: the factor by which the delay grows each time.
    pub fn retry_multiplier(self, multiplier: f64) -> Self {
        self.retry(|p| p.multiplier(multiplier))
    }

    /// The longest delay.
    pub fn max_delay(self, max_delay: Duration) -> Self {
        self.retry(|p| p.max_delay(max_delay))
    }

    /// Spreads retries, so that jobs that failed together do not come back together.
    pub fn jitter(self, jitter: Jitter) -> Self {
        self.retry(|p| p.jitter(jitter))
    }

    /// Retries only errors of these kinds; an empty list means all kinds.
    pub fn retry_on<K: Into<ErrorKind>>(self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.retry(|p| p.retry_on(kinds))
    }

    /// Never retries errors of these kinds. Wins over `retry_on`.
    pub fn ignore_on<K: Into<ErrorKind>>(self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.retry(|p| p.ignore_on(kinds))
    }

    /// Makes no retry that would start later than `span` after the start of the first attempt.
    pub fn retry_for(self, span: Duration) -> Self {
        self.retry(|p| p.retry_for(span))
    }

    /// The number of worker crashes after which the job counts as poison.
    pub fn max_crashes(self, max_crashes: u32) -> Self {
        self.retry(|p| p.max_crashes(max_crashes))
    }
}
