//! [`Window`]: how many calls there were lately, and how many of them failed.

use serde::{Deserialize, Serialize};

use super::BreakerConfig;
use crate::clock::{Timestamp, millis_up};

/// Parts that a window is counted in: it slides by a tenth of itself.
const SLOTS: u64 = 10;

/// Calls and failures of the time that counts, in slots. Windows that were counted apart add up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Window {
    /// When the first of these failures was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    slots: Vec<Slot>,
}

/// From when on, calls, failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Slot(u64, u32, u32);

impl Window {
    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Calls, whatever became of them.
    pub fn calls(&self) -> u32 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.1))
    }

    /// Calls that failed.
    pub fn failures(&self) -> u32 {
        self.slots.iter().fold(0, |sum, slot| sum.saturating_add(slot.2))
    }

    /// Counts a call that has ended now.
    pub fn count(&mut self, config: &BreakerConfig, failed: bool, now: Timestamp) {
        let length = slot_length(config);
        let start = now.as_millis() / length * length;
        self.add(Slot(start, 1, u32::from(failed)));
        if failed {
            self.since.get_or_insert(now);
        }
        self.prune(config, now);
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for slot in &other.slots {
            self.add(*slot);
        }
        self.since = [self.since, other.since].into_iter().flatten().min();
    }

    fn add(&mut self, new: Slot) {
        match self.slots.iter_mut().find(|slot| slot.0 == new.0) {
            Some(slot) => {
                slot.1 = slot.1.saturating_add(new.1);
                slot.2 = slot.2.saturating_add(new.2);
            }
            None => self.slots.push(new),
        }
    }

    /// Forgets what is so old that it counts no longer; and what is further in the future than it
    /// could be old, as after a clock was set back.
    pub fn prune(&mut self, config: &BreakerConfig, now: Timestamp) {
        let (window, now) = (millis_up(config.window), now.as_millis());
        let age = window.saturating_add(slot_length(config));
        let ahead = now.saturating_add(window);
        self.slots.retain(|slot| slot.0.saturating_add(age) > now && slot.0 <= ahead);
        if self.failures() == 0 {
            self.since = None;
        }
    }

    /// Whether that is too much.
    pub(super) fn trips(&self, config: &BreakerConfig, now: Timestamp) -> bool {
        let (calls, failures) = (self.calls(), self.failures());
        let too_many = config.failures.is_some_and(|max| failures >= max);
        let gathered = self.since.is_some_and(|since| now >= since + config.gather);
        let share = f64::from(failures) / f64::from(calls.max(1));
        let too_large = config.ratio.is_some_and(|max| share >= max);
        too_many || (too_large && gathered && calls >= config.min_calls)
    }

    pub(super) fn shift(&mut self, back: std::time::Duration) {
        self.since = self.since.map(|since| since.saturating_sub(back));
    }
}

fn slot_length(config: &BreakerConfig) -> u64 {
    (millis_up(config.window) / SLOTS).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    #[test]
    fn what_two_have_counted_adds_up_and_grows_old() {
        let config = BreakerConfig::new().window(Duration::from_secs(10));
        let (mut one, mut two) = (Window::default(), Window::default());
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
    fn a_clock_that_is_set_back_leaves_no_counts_in_the_future_for_long() {
        let config = BreakerConfig::new().window(Duration::from_secs(10));
        let mut window = Window::default();
        window.count(&config, true, at(9_000_000));
        window.prune(&config, at(0));
        assert!(window.is_empty());
    }

    #[test]
    fn a_ratio_is_judged_once_there_are_enough_calls_and_all_had_time_to_count() {
        let config = BreakerConfig::new().any_number_of_failures().failure_ratio(0.5, 4);
        let mut window = Window::default();
        for n in 0..3 {
            window.count(&config, true, at(n));
        }
        assert!(!window.trips(&config, at(600)), "too few calls");
        window.count(&config, true, at(3));
        assert!(!window.trips(&config, at(499)), "others may have succeeded");
        assert!(window.trips(&config, at(500)));
        for n in 0..5 {
            window.count(&config, false, at(n));
        }
        assert!(!window.trips(&config, at(600)), "4 of 9");
    }
}
