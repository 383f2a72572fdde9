//! The part of a retry budget that one worker has at hand. No I/O.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::flow::{RetryBudget, Tokens};

/// The shortest span over which those that found no token come back.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// What one worker has of a budget: what its own first attempts put in, and what it took out of the
/// pot that all workers share, which is what the budget gives by time. A quarter of a burst at most.
#[derive(Debug)]
pub(super) struct Purse {
    pub(super) budget: RetryBudget,
    tokens: f64,
    /// Nothing is in the pot before then.
    empty_until: Option<Timestamp>,
    /// Those that found no token lately: so many come back over as long as that many need.
    denied: f64,
    denied_at: Timestamp,
}

impl Purse {
    pub(super) fn new(budget: RetryBudget) -> Self {
        let (tokens, denied, denied_at) = (0.0, 0.0, Timestamp::default());
        Self { budget, tokens, empty_until: None, denied, denied_at }
    }

    /// The most that it holds.
    fn room(&self) -> u32 {
        self.budget.max_burst().div_ceil(4)
    }

    /// A first attempt starts.
    pub(super) fn deposit(&mut self) {
        self.tokens = (self.tokens + self.budget.share()).min(f64::from(self.room()));
    }

    /// A token for a retry, if there is one. A share that was put in part by part may lack the
    /// last bit.
    pub(super) fn take(&mut self) -> bool {
        let found = self.tokens >= 1.0 - 1e-9;
        if found {
            self.tokens = (self.tokens - 1.0).max(0.0);
        }
        found
    }

    /// A retry did not start after all.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(f64::from(self.room()));
    }

    /// Whether the pot is worth a look.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        // A time far away is from before the clock was set back.
        self.empty_until.is_none_or(|until| until <= now || until.since(now) > LONGEST)
    }

    /// Takes out of the pot what is to be had; how much, and the pot as it is then.
    pub(super) fn draw(&mut self, mut pot: Tokens, now: Timestamp) -> (u32, Tokens) {
        let taken = pot.take(&self.budget, self.room(), now);
        self.empty_until = (taken == 0).then(|| match pot.next_at(&self.budget, now) {
            Some(next) => next.min(now + LONGEST),
            None => now + SHORTEST,
        });
        (taken, pot)
    }

    /// What was taken out of the pot is in the purse.
    pub(super) fn fill(&mut self, taken: u32) {
        self.tokens = (self.tokens + f64::from(taken)).min(f64::from(self.room()));
    }

    /// When one that found no token comes back. `share` is a random number from 0 up to 1.
    pub(super) fn wait(&mut self, share: f64, now: Timestamp) -> Timestamp {
        let halves = now.since(self.denied_at).as_secs_f64() / LONGEST.as_secs_f64();
        self.denied = self.denied * 0.5_f64.powf(halves) + 1.0;
        self.denied_at = now;
        let span = self.budget.time_for(self.denied).unwrap_or(LONGEST).clamp(SHORTEST, LONGEST);
        let empty = self.empty_until.map_or(now, |until| until.max(now).min(now + LONGEST));
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
    fn first_attempts_pay_for_retries_without_the_pot() {
        let mut purse = Purse::new(RetryBudget::new(0.2, 0.0).burst(8));
        let mut retries = 0;
        for _ in 0..100 {
            purse.deposit();
            retries += u32::from(purse.take());
        }
        assert_eq!(retries, 20);
        for _ in 0..100 {
            purse.deposit();
        }
        assert_eq!((0..100).filter(|_| purse.take()).count(), 2, "a quarter of a burst is kept");
    }

    #[test]
    fn a_pot_that_is_empty_is_asked_again_when_something_may_be_in_it() {
        let budget = RetryBudget::new(0.0, 0.5).burst(4);
        let mut purse = Purse::new(budget);
        let empty = Tokens { tokens: 0.0, at: at(0) };
        let (taken, _) = purse.draw(empty, at(0));
        assert!(taken == 0 && !purse.may_ask(at(1)) && purse.may_ask(at(2)));
        let (taken, rest) = purse.draw(empty, at(100));
        assert_eq!((taken, rest.tokens), (1, 3.0));
    }

    #[test]
    fn the_more_wait_the_further_they_are_spread() {
        let mut purse = Purse::new(RetryBudget::new(0.2, 2.0));
        assert!(purse.wait(1.0, at(0)) <= at(2));
        let last = (0..40).map(|_| purse.wait(1.0, at(0))).max().expect("some");
        assert!(last > at(15) && last <= at(0) + LONGEST * 2, "{last}");
    }
}
