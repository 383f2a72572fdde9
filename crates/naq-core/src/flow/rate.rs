//! So many starts in so long: when the next one may be.
//!
//! The generic cell rate algorithm (GCRA): one number says it all, the time at which the next start
//! would be due if they came evenly. Every start moves it on by one step, period / count.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::SKEW;
use crate::clock::{Timestamp, millis_up};

/// The largest count of a [`Rate`].
pub const MAX_RATE_COUNT: u32 = 1_000_000;
/// The shortest period of a [`Rate`].
pub const MIN_RATE_PERIOD: Duration = Duration::from_millis(10);
/// The longest period of a [`Rate`]: 31 days.
pub const MAX_RATE_PERIOD: Duration = Duration::from_secs(31 * 86_400);

/// A reserved start holds for a tenth of the period after its time, but for so long at least ...
const MIN_GRACE_MS: u64 = 1000;
/// ... and so long at most.
const MAX_GRACE_MS: u64 = 30_000;
/// Lost starts in a row that make a difference: with ten, the next holds for twelve days at least.
const MOST_LOST: u32 = 10;
/// How much longer the next one holds for whoever came too late.
const PATIENCE: u64 = 4;

/// So many in so long: in any period at most `count` start, and one more for each that `burst`
/// allows at once beyond the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how many milliseconds.
    pub per_ms: u64,
    /// How many may start at once after a pause; 1 by default, so that starts are evenly spaced.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants it so")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl Rate {
    /// `count` in `per`, evenly spaced.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count, per_ms: millis_up(per), burst: 1 }
    }

    /// How long a start that was reserved for a moment may be late: a tenth of the period, from 1 s
    /// to 30 s. After that it has to be reserved anew. Four times as long for each start in a row
    /// that was `lost` so: who always waits longer for a slot of a worker would never start.
    pub fn grace(&self, lost: u32) -> Duration {
        let once = (self.per_ms / 10).clamp(MIN_GRACE_MS, MAX_GRACE_MS);
        Duration::from_millis(once.saturating_mul(PATIENCE.saturating_pow(lost.min(MOST_LOST))))
    }

    /// What is wrong with it, if anything is.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { count, per_ms, burst } = *self;
        if count == 0 || count > MAX_RATE_COUNT {
            return Err(format!("{count} in a period: use 1 to {MAX_RATE_COUNT}"));
        }
        let bounds = (millis_up(MIN_RATE_PERIOD), millis_up(MAX_RATE_PERIOD));
        if per_ms < bounds.0 || per_ms > bounds.1 {
            return Err(format!("a period of {per_ms} ms: use 10ms to 31d"));
        }
        if burst == 0 || burst > count {
            return Err(format!("a burst of {burst}: use 1 to the count, {count}"));
        }
        Ok(())
    }

    /// Between two starts, in nanoseconds.
    fn step(&self) -> u64 {
        self.per_ms.saturating_mul(NANOS).div_ceil(u64::from(self.count.max(1)))
    }
}

/// In a millisecond.
const NANOS: u64 = 1_000_000;

/// How much of a rate is used up: what all workers share of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gcra {
    /// When the next start would be due if all came evenly, in nanoseconds since the Unix epoch.
    pub due_ns: u64,
    /// When that was said, by the clock of whoever said it.
    #[serde(default)]
    pub at: Timestamp,
}

impl Gcra {
    /// The same as who looks at it now has to see it: what a clock said that is ahead, or was before
    /// it was set back, moves back with it. Clocks that differ a little are left alone.
    #[must_use]
    pub fn seen_at(self, now: Timestamp) -> Self {
        let ahead = self.at.since(now);
        let back = if ahead > SKEW { millis_up(ahead).saturating_mul(NANOS) } else { 0 };
        Self { due_ns: self.due_ns.saturating_sub(back), at: now }
    }

    /// The earliest moment at which another may start.
    pub fn earliest(self, rate: &Rate, now: Timestamp) -> Timestamp {
        now.max(self.next(rate))
    }

    /// What is used up once one more starts at `start`, which [`earliest`](Self::earliest) allows.
    #[must_use]
    pub fn take(self, rate: &Rate, start: Timestamp) -> Self {
        // One that had to wait starts at the next whole millisecond; what that is too late counts
        // for the one after it.
        let waited = self.next(rate) == start;
        let start = if waited { 0 } else { start.as_millis().saturating_mul(NANOS) };
        Self { due_ns: self.due_ns.max(start).saturating_add(rate.step()), ..self }
    }

    fn next(self, rate: &Rate) -> Timestamp {
        let ahead = u64::from(rate.burst.max(1) - 1).saturating_mul(rate.step());
        Timestamp::from_millis(self.due_ns.saturating_sub(ahead).div_ceil(NANOS))
    }

    /// When all of it is free again.
    pub fn free_at(self) -> Timestamp {
        Timestamp::from_millis(self.due_ns.div_ceil(NANOS))
    }
}

/// The entry that all workers share of one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateEntry {
    /// How much is used up.
    #[serde(flatten)]
    pub used: Gcra,
    /// The rate, as whoever wrote this had it; for those who look at it.
    pub rate: Rate,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn starts(rate: &Rate, asked: &[u64]) -> Vec<u64> {
        let mut used = Gcra::default();
        let mut now = 1_000_000;
        asked
            .iter()
            .map(|gap| {
                now += gap;
                let start = used.earliest(rate, Timestamp::from_millis(now));
                used = used.take(rate, start);
                start.as_millis()
            })
            .collect()
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1u32..500, 10u64..100_000, 0u32..500).prop_map(|(count, per_ms, burst)| Rate {
            count,
            per_ms,
            burst: 1 + burst % count,
        })
    }

    proptest! {
        #[test]
        fn in_any_period_no_more_start_than_count_and_burst(
            rate in rates(),
            gaps in prop::collection::vec(0u64..200, 1..1000),
        ) {
            let starts = starts(&rate, &gaps);
            let most = (rate.count + rate.burst - 1) as usize;
            for (i, start) in starts.iter().enumerate() {
                let within = starts[i..].iter().take_while(|at| **at < start + rate.per_ms).count();
                prop_assert!(within <= most, "{within} of {rate:?}");
            }
        }

        #[test]
        fn nobody_starts_early_or_before_one_who_asked_before(
            rate in rates(),
            gaps in prop::collection::vec(0u64..200, 1..200),
        ) {
            let starts = starts(&rate, &gaps);
            let mut now = 1_000_000;
            for (gap, start) in gaps.iter().zip(&starts) {
                now += gap;
                prop_assert!(*start >= now);
            }
            prop_assert!(starts.is_sorted());
        }

        #[test]
        fn in_the_long_run_the_whole_rate_is_used(rate in rates()) {
            let n = rate.count as usize * 3;
            let starts = starts(&rate, &vec![0; n]);
            let took = starts[n - 1] - starts[0];
            prop_assert!(took <= rate.per_ms * 3 + 1, "{took} ms for three times {rate:?}");
        }
    }

    #[test]
    fn after_a_pause_a_burst_starts_at_once_and_then_one_a_step() {
        let rate = Rate { count: 10, per_ms: 1000, burst: 3 };
        assert_eq!(starts(&rate, &[0, 0, 0, 0, 0]), [0, 0, 0, 100, 200].map(|ms| 1_000_000 + ms));
        let even = Rate::new(10, Duration::from_secs(1));
        assert_eq!(starts(&even, &[0, 0, 500]), [0, 100, 500].map(|ms| 1_000_000 + ms));
    }

    #[test]
    fn a_clock_that_was_ahead_holds_nobody_up_once_another_looks() {
        let (rate, now) = (Rate::new(1, Duration::from_secs(1)), Timestamp::from_millis(1_000_000));
        let hour = Duration::from_secs(3600);
        let ahead = Gcra::default().seen_at(now + hour).take(&rate, now + hour);
        let seen = ahead.seen_at(now);
        assert_eq!(seen.earliest(&rate, now), now + Duration::from_secs(1));
        // What was reserved by then still counts, and nothing moves twice.
        let reserved = ahead.take(&rate, ahead.earliest(&rate, now + hour)).seen_at(now);
        assert_eq!(reserved.earliest(&rate, now), now + Duration::from_secs(2));
        assert_eq!(reserved.seen_at(now), reserved);
        // Clocks that differ a little share one time.
        let little = Gcra::default().seen_at(now + SKEW).take(&rate, now + SKEW);
        assert_eq!(little.seen_at(now).due_ns, little.due_ns);
        let old: Gcra = serde_json::from_str(r#"{"due_ns":5}"#).expect("as it was written before");
        assert_eq!(old.seen_at(now).due_ns, 5);
    }

    #[test]
    fn a_rate_out_of_bounds_is_refused() {
        let fine = Rate { count: 5, per_ms: 1000, burst: 5 };
        assert_eq!(fine.check(), Ok(()));
        for bad in [
            Rate { count: 0, ..fine },
            Rate { count: MAX_RATE_COUNT + 1, ..fine },
            Rate { per_ms: 9, ..fine },
            Rate { per_ms: u64::MAX, ..fine },
            Rate { burst: 0, ..fine },
            Rate { burst: 6, ..fine },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
