//! [`LocalTokens`]: the tokens of a retry budget that one worker has. No I/O.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::{RetryBudget, Tokens};

/// The shortest span over which jobs without a token come back.
const MIN_WAIT: Duration = Duration::from_secs(1);
/// The longest span.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// The tokens that one worker has: those that its own first attempts gave, and those that it took
/// from the state store, where the budget gives tokens by time. At most a quarter of a burst.
#[derive(Debug)]
pub(super) struct LocalTokens {
    pub(super) budget: RetryBudget,
    tokens: f64,
    /// The state store has no token before then.
    empty_until: Option<Timestamp>,
    /// Jobs that found no token lately. They come back over the time in which the budget gives that
    /// many tokens.
    denied: f64,
    denied_at: Timestamp,
}

impl LocalTokens {
    pub(super) fn new(budget: RetryBudget) -> Self {
        let (tokens, denied, denied_at) = (0.0, 0.0, Timestamp::default());
        Self { budget, tokens, empty_until: None, denied, denied_at }
    }

    /// The largest number of tokens.
    fn capacity(&self) -> u32 {
        self.budget.max_burst().div_ceil(4)
    }

    /// Adds the share of a first attempt that starts.
    pub(super) fn deposit(&mut self) {
        self.tokens = (self.tokens + self.budget.share()).min(f64::from(self.capacity()));
    }

    /// Takes a token for a retry, if there is one. A sum of shares may be a rounding error below 1.
    pub(super) fn take(&mut self) -> bool {
        let found = self.tokens >= 1.0 - 1e-9;
        if found {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        found
    }

    /// Puts a token back: its retry did not start after all.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(f64::from(self.capacity()));
    }

    /// Whether the state store may have tokens.
    pub(super) fn may_draw(&self, now: Timestamp) -> bool {
        // A time far ahead is from before the clock was set back.
        self.empty_until.is_none_or(|until| until <= now || until.since(now) > MAX_WAIT)
    }

    /// Takes tokens out of the shared ones. Returns how many, and the rest.
    pub(super) fn draw(&mut self, mut shared: Tokens, now: Timestamp) -> (u32, Tokens) {
        let taken = shared.take(&self.budget, self.capacity(), now);
        self.empty_until = (taken == 0).then(|| match shared.next_at(&self.budget, now) {
            Some(next) => next.min(now + MAX_WAIT),
            None => now + MIN_WAIT,
        });
        (taken, shared)
    }

    /// Adds tokens that were taken out of the shared ones.
    pub(super) fn add_drawn(&mut self, taken: u32) {
        self.tokens = (self.tokens + f64::from(taken)).min(f64::from(self.capacity()));
    }

    /// When a job without a token comes back. `share` is a random number from 0 to 1.
    pub(super) fn retry_at(&mut self, share: f64, now: Timestamp) -> Timestamp {
        let halves = now.since(self.denied_at).as_secs_f64() / MAX_WAIT.as_secs_f64();
        self.denied = self.denied * 0.5_f64.powf(halves) + 1.0;
        self.denied_at = now;
        let span = self.budget.time_for(self.denied).unwrap_or(MAX_WAIT).clamp(MIN_WAIT, MAX_WAIT);
        let empty = self.empty_until.map_or(now, |until| until.max(now).min(now + MAX_WAIT));
        empty + span.mul_f64(share) + Duration::from_millis(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + secs * 1000)
    }

    #[test]
    fn first_attempts_pay_for_retries_without_shared_tokens() {
        let mut local = LocalTokens::new(RetryBudget::new(0.2, 0.0).burst(8));
        let mut retries = 0;
        for _ in 0..100 {
            local.deposit();
            retries += u32::from(local.take());
        }
        assert_eq!(retries, 20);
        for _ in 0..100 {
            local.deposit();
        }
        assert_eq!((0..100).filter(|_| local.take()).count(), 2, "a quarter of a burst is kept");
    }

    #[test]
    fn an_empty_state_store_is_asked_again_when_it_may_have_tokens() {
        let budget = RetryBudget::new(0.0, 0.5).burst(4);
        let mut local = LocalTokens::new(budget);
        let empty = Tokens { tokens: 0.0, at: at(0) };
        let (taken, _) = local.draw(empty, at(0));
        assert!(taken == 0 && !local.may_draw(at(1)) && local.may_draw(at(2)));
        let (taken, rest) = local.draw(empty, at(100));
        assert_eq!((taken, rest.tokens), (1, 3.0));
    }

    #[test]
    fn the_more_jobs_wait_the_longer_they_are_spread() {
        let mut local = LocalTokens::new(RetryBudget::new(0.2, 2.0));
        assert!(local.retry_at(1.0, at(0)) <= at(2));
        let last = (0..40).map(|_| local.retry_at(1.0, at(0))).max().expect("some");
        assert!(last > at(15) && last <= at(0) + MAX_WAIT * 2, "{last}");
    }
}
