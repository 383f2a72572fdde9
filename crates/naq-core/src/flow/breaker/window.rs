//! [`Window`]: how many recent calls there were, and how many of them failed.

use serde::{Deserialize, Serialize};

use super::BreakerConfig;
use crate::clock::{Timestamp, millis_up};

/// The number of buckets in a window: it slides by a tenth of its length.
const BUCKETS: u64 = 10;

/// Calls and failures of the recent past, in time buckets. Windows that different workers have counted
/// can be added up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// When the first of the failures was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slots: Vec<WindowBucket>,
}

/// The start in milliseconds, the number of calls, the number of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct WindowBucket(u64, u32, u32);

impl Window {
    /// Whether the window has no calls.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// The number of calls.
    pub fn calls(&self) -> u32 {
        self.slots.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.1))
    }

    /// The number of calls that failed.
    pub fn failures(&self) -> u32 {
        self.slots.iter().fold(0, |sum, bucket| sum.saturating_add(bucket.2))
    }

    /// Counts a call that ended at `now`.
    pub fn count(&mut self, config: &BreakerConfig, failed: bool, now: Timestamp) {
        let length = bucket_millis(config);
        let start = now.as_millis() / length * length;
        self.add(WindowBucket(start, 1, u32::from(failed)));
        if failed {
            self.since.get_or_insert(now);
        }
        self.prune(config, now);
    }

    /// Adds the counts of another window.
    pub fn merge(&mut self, other: &Self) {
        for bucket in &other.slots {
            self.add(*bucket);
        }
        self.since = [self.since, other.since].into_iter().flatten().min();
    }

    fn add(&mut self, new: WindowBucket) {
        match self.slots.iter_mut().find(|bucket| bucket.0 == new.0) {
            Some(bucket) => {
                bucket.1 = bucket.1.saturating_add(new.1);
                bucket.2 = bucket.2.saturating_add(new.2);
            }
            None => self.slots.push(new),
        }
    }

    /// Removes the buckets that are too old to count. If the clock was set back, buckets lie in
    /// the future: it also removes those that are further ahead than the window is long.
    pub fn prune(&mut self, config: &BreakerConfig, now: Timestamp) {
        let window = millis_up(config.window);
        let now = now.as_millis();
        let age = window.saturating_add(bucket_millis(config));
        let ahead = now.saturating_add(window);
        self.slots.retain(|bucket| bucket.0.saturating_add(age) > now && bucket.0 <= ahead);
        if self.failures() == 0 {
            self.since = None;
        }
    }

    /// Whether enough calls failed to open the breaker.
    pub(super) fn opens(&self, config: &BreakerConfig, now: Timestamp) -> bool {
        let calls = self.calls();
        let failures = self.failures();
        let too_many = config.failures.is_some_and(|max| failures >= max);
        let gathered = self.since.is_some_and(|since| now >= since + config.gather);
        let share = f64::from(failures) / f64::from(calls.max(1));
        let too_large = config.ratio.is_some_and(|max| share >= max);
        too_many || (too_large && gathered && calls >= config.min_calls)
    }

    /// Moves the time of the first failure back, after the clock was set back.
    pub(super) fn shift(&mut self, back: std::time::Duration) {
        self.since = self.since.map(|since| since.saturating_sub(back));
    }
}

fn bucket_millis(config: &BreakerConfig) -> u64 {
    (millis_up(config.window) / BUCKETS).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn the_counts_of_two_windows_add_up_and_grow_old() {
        let config = BreakerConfig::new().window(Duration::from_secs(10));
        let mut one = Window::default();
        let mut two = Window::default();
        for second in 0..5 {
            one.count(&config, true, at(second * 1000));
            two.count(&config, second % 2 == 0, at(second * 1000 + 500));
        }
        one.merge(&two);
        assert_eq!((one.calls(), one.failures()), (10, 8));
        one.prune(&config, at(10_000));
        assert_eq!((one.calls(), one.failures()), (10, 8), "all of ten seconds");
        one.prune(&config, at(13_000));
        assert_eq!((one.calls(), one.failures()), (4, 3));
        one.prune(&config, at(16_000));
        assert_eq!(one, Window::default());
    }

    #[test]
    fn counts_in_the_future_are_dropped_after_the_clock_is_set_back() {
        let config = BreakerConfig::new().window(Duration::from_secs(10));
        let mut window = Window::default();
        window.count(&config, true, at(9_000_000));
        window.prune(&config, at(0));
        assert!(window.is_empty());
    }

    #[test]
    fn a_ratio_opens_the_breaker_only_with_enough_calls_and_after_the_gather_time() {
        let config = BreakerConfig::new().any_number_of_failures().failure_ratio(0.5, 4);
        let mut window = Window::default();
        for n in 0..3 {
            window.count(&config, true, at(n));
        }
        assert!(!window.opens(&config, at(600)), "too few calls");
        window.count(&config, true, at(3));
        assert!(!window.opens(&config, at(499)), "others may have succeeded");
        assert!(window.opens(&config, at(500)));
        for n in 0..5 {
            window.count(&config, false, at(n));
        }
        assert!(!window.opens(&config, at(600)), "4 of 9");
    }
}
