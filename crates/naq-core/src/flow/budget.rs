//! [`RetryBudget`]: how many retries may start for each first attempt. A token bucket, as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::skew::MAX_CLOCK_SKEW;
use crate::clock::Timestamp;

/// A bound on retries: a share of the first attempts, and a number for each second.
///
/// Retries can turn a small failure into a large one: three attempts instead of one put three times
/// the load on the service that fails. A budget bounds that load. A retry takes one token out of a
/// bucket before it starts. Each first attempt adds `share` of a token, and each second adds
/// `min_per_sec` tokens. Within any period, retries <= `share` x first attempts + `min_per_sec` x
/// seconds + `burst`. Envoy and Finagle bound retries in the same way.
///
/// ```
/// use naq_core::Timestamp;
/// use naq_core::flow::{RetryBudget, Tokens};
/// use std::time::Duration;
///
/// let budget = RetryBudget::new(0.2, 1.0).burst(10);
/// let now = Timestamp::from_millis(0);
/// let mut tokens = Tokens::full(&budget, now);
/// assert_eq!(tokens.take(&budget, 100, now), 10); // the burst, and no more
/// tokens.deposit(&budget, 20.0 * budget.share(), now); // 20 first attempts
/// assert_eq!(tokens.take(&budget, 100, now), 4);
/// let later = now + Duration::from_secs(3);
/// assert_eq!(tokens.take(&budget, 100, later), 3); // one a second
/// ```
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RetryBudget {
    share: f64,
    min_per_sec: f64,
    burst: u32,
}

impl RetryBudget {
    /// A budget of `share` retries for each first attempt, plus `min_per_sec` retries for each
    /// second.
    ///
    /// # Panics
    /// If one of them is negative or not finite, or both are zero: no retry would ever start.
    pub fn new(share: f64, min_per_sec: f64) -> Self {
        let fits = |n: f64| n.is_finite() && n >= 0.0;
        assert!(fits(share), "share {share}: use 0.2 for one retry in five first attempts");
        assert!(fits(min_per_sec), "{min_per_sec} a second: use 0 or more");
        assert!(
            share + min_per_sec > 0.0,
            "share and min_per_sec are 0: no retry would ever start"
        );
        let burst = (min_per_sec * 10.0).clamp(10.0, 1e9) as u32;
        Self { share, min_per_sec, burst }
    }

    /// How many retries may start at once after a quiet time. The default is what `min_per_sec` adds
    /// in 10 s, but at least 10.
    ///
    /// # Panics
    /// If `burst` is zero.
    pub fn burst(mut self, burst: u32) -> Self {
        assert!(burst > 0, "a burst of 0: no retry would ever start");
        self.burst = burst;
        self
    }

    /// How many tokens each first attempt adds.
    pub fn share(&self) -> f64 {
        self.share
    }

    /// How many tokens each second adds.
    pub fn min_per_sec(&self) -> f64 {
        self.min_per_sec
    }

    /// The most tokens that the bucket can hold.
    pub fn max_burst(&self) -> u32 {
        self.burst
    }

    /// How long `min_per_sec` needs to add `tokens`. `None` if it is zero.
    pub fn time_for(&self, tokens: f64) -> Option<Duration> {
        const MAX_SECS: f64 = 86_400.0 * 365.0;
        let secs = tokens.max(0.0) / self.min_per_sec;
        (self.min_per_sec > 0.0).then(|| Duration::from_secs_f64(secs.min(MAX_SECS)))
    }
}

impl fmt::Display for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = self.share * 100.0;
        let min = self.min_per_sec;
        write!(f, "{percent:.0}% of first attempts, and {min} a second; bursts of {}", self.burst)
    }
}

/// The tokens of a budget at one time. Plain data that can be stored, for example as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Tokens {
    /// The number of tokens.
    pub tokens: f64,
    /// When the bucket had this number of tokens.
    pub at: Timestamp,
}

impl Tokens {
    /// A full bucket.
    pub fn full(budget: &RetryBudget, now: Timestamp) -> Self {
        Self { tokens: f64::from(budget.burst), at: now }
    }

    /// The number of tokens now. A clock that was set back adds none.
    pub fn now(&self, budget: &RetryBudget, now: Timestamp) -> f64 {
        let held = if self.tokens.is_finite() { self.tokens.max(0.0) } else { 0.0 };
        let grown = held + now.since(self.at).as_secs_f64() * budget.min_per_sec;
        grown.min(f64::from(budget.burst))
    }

    /// Adds tokens. Tokens beyond [`RetryBudget::max_burst`] are lost.
    pub fn deposit(&mut self, budget: &RetryBudget, tokens: f64, now: Timestamp) {
        let sum = self.now(budget, now) + if tokens.is_finite() { tokens.max(0.0) } else { 0.0 };
        *self = Self { tokens: sum.min(f64::from(budget.burst)), at: self.later(now) };
    }

    /// The time up to which tokens were added. It never moves back by a small difference of clocks, so
    /// that no time counts twice. It follows a clock that was set back by more than that.
    fn later(&self, now: Timestamp) -> Timestamp {
        if self.at.since(now) > MAX_CLOCK_SKEW { now } else { self.at.max(now) }
    }

    /// Takes whole tokens, at most `wanted`, and returns how many it took.
    pub fn take(&mut self, budget: &RetryBudget, wanted: u32, now: Timestamp) -> u32 {
        let held = self.now(budget, now);
        // Rounding may make a sum of fractions slightly less than a whole token.
        let whole = ((held + 1e-9).floor() as u32).min(wanted);
        *self = Self { tokens: (held - f64::from(whole)).max(0.0), at: self.later(now) };
        whole
    }

    /// When the bucket will have a whole token, if only `min_per_sec` adds to it. `None` if `min_per_sec`
    /// is zero.
    pub fn next_at(&self, budget: &RetryBudget, now: Timestamp) -> Option<Timestamp> {
        budget.time_for(1.0 - self.now(budget, now)).map(|wait| now + wait)
    }

    /// How long `min_per_sec` needs to fill the bucket. A store must keep the bucket that long. `None`
    /// if `min_per_sec` is zero.
    pub fn full_in(&self, budget: &RetryBudget, now: Timestamp) -> Option<Duration> {
        budget.time_for(f64::from(budget.burst) - self.now(budget, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + secs * 1000)
    }

    #[test]
    fn fractions_of_tokens_add_up_to_whole_tokens() {
        let budget = RetryBudget::new(0.1, 0.0).burst(5);
        let mut tokens = Tokens { tokens: 0.0, at: at(0) };
        for _ in 0..9 {
            tokens.deposit(&budget, budget.share(), at(0));
        }
        assert_eq!(tokens.take(&budget, 1, at(0)), 0);
        tokens.deposit(&budget, budget.share(), at(0));
        assert_eq!(tokens.take(&budget, 1, at(0)), 1);
        assert_eq!(tokens.next_at(&budget, at(0)), None, "time gives none");
    }

    #[test]
    fn time_fills_the_bucket_up_to_the_burst() {
        let budget = RetryBudget::new(0.0, 0.5).burst(4);
        let mut tokens = Tokens::full(&budget, at(0));
        assert_eq!(tokens.take(&budget, 9, at(0)), 4);
        assert_eq!(tokens.next_at(&budget, at(0)), Some(at(2)));
        assert_eq!(tokens.full_in(&budget, at(2)), Some(Duration::from_secs(6)));
        assert_eq!(tokens.take(&budget, 9, at(100)), 4);
    }

    #[test]
    fn a_clock_that_is_set_back_gives_nothing_and_takes_nothing() {
        let budget = RetryBudget::new(0.0, 1.0).burst(4);
        let mut tokens = Tokens { tokens: 2.0, at: at(50) };
        assert_eq!(tokens.take(&budget, 1, at(0)), 1);
        assert_eq!(tokens.take(&budget, 9, at(1)), 2);
    }

    #[test]
    fn clocks_that_differ_a_little_make_no_tokens() {
        let budget = RetryBudget::new(0.0, 1.0).burst(4);
        let mut tokens = Tokens { tokens: 0.0, at: at(3) };
        let taken: u32 = (0..20).map(|n| tokens.take(&budget, 9, at(n % 2 * 3))).sum();
        assert_eq!(taken, 0);
    }

    #[test]
    fn stored_values_out_of_range_cannot_break_the_bound() {
        let budget = RetryBudget::new(0.2, 1.0).burst(4);
        for tokens in [f64::INFINITY, f64::NAN, -3.0, 1e300] {
            let mut tokens = Tokens { tokens, at: at(0) };
            assert!(tokens.take(&budget, u32::MAX, at(0)) <= 4);
        }
    }
}
