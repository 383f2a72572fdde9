//! [`Rate`]: how many attempts may start within a period, and when the next one may start.
//!
//! It uses the generic cell rate algorithm (GCRA, from ITU-T I.371). The only state is the time at
//! which the next start would be due if starts came evenly. Each start moves that time by
//! `period / count`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::skew::MAX_CLOCK_SKEW;
use crate::clock::{Timestamp, millis_up};

/// The largest count of a [`Rate`].
pub const MAX_RATE_COUNT: u32 = 1_000_000;
/// The shortest period of a [`Rate`].
pub const MIN_RATE_PERIOD: Duration = Duration::from_millis(10);
/// The longest period of a [`Rate`]: 31 days.
pub const MAX_RATE_PERIOD: Duration = Duration::from_secs(31 * 86_400);

/// A reserved start is valid for a tenth of the period after its time, but at least this long.
const MIN_GRACE_MS: u64 = 1000;
/// A reserved start is valid for at most this long after its time, if the job has missed none before.
const MAX_GRACE_MS: u64 = 30_000;
/// How many missed starts in a row make the next one valid for longer. After ten, the next start is valid
/// for at least twelve days.
const MAX_COUNTED_LOST: u32 = 10;
/// Each missed start makes the next one valid for this many times as long.
const GRACE_GROWTH: u64 = 4;

/// How many attempts may start within a period. In any stretch of that length at most
/// `count + burst - 1` start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The number of starts in a period.
    pub count: u32,
    /// The period, in milliseconds.
    pub per_ms: u64,
    /// How many may start at once after a quiet time. 1 by default: starts are evenly spaced.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub burst: u32,
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_one(n: &u32) -> bool {
    *n == 1
}

impl Rate {
    /// `count` starts in `per`, evenly spaced. Parts of a millisecond are rounded up.
    pub fn new(count: u32, per: Duration) -> Self {
        Self { count, per_ms: millis_up(per), burst: 1 }
    }

    /// How late a reserved start may be: a tenth of the period, from 1 s to 30 s. After that the job
    /// must reserve another start. Each missed start in a row (`lost`) makes the time four times as
    /// long, because otherwise a job that always waits longer for a slot would never start.
    pub fn grace(&self, lost: u32) -> Duration {
        let once = (self.per_ms / 10).clamp(MIN_GRACE_MS, MAX_GRACE_MS);
        Duration::from_millis(
            once.saturating_mul(GRACE_GROWTH.saturating_pow(lost.min(MAX_COUNTED_LOST))),
        )
    }

    /// Checks that the numbers are within bounds. The error says what is allowed.
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { count, per_ms, burst } = *self;
        if count == 0 || count > MAX_RATE_COUNT {
            return Err(format!("{count} in a period: use 1 to {MAX_RATE_COUNT}"));
        }
        if !(millis_up(MIN_RATE_PERIOD)..=millis_up(MAX_RATE_PERIOD)).contains(&per_ms) {
            return Err(format!("a period of {per_ms} ms: use 10ms to 31d"));
        }
        if burst == 0 || burst > count {
            return Err(format!("a burst of {burst}: use 1 to the count, {count}"));
        }
        Ok(())
    }

    /// The time between two starts, in nanoseconds.
    fn interval_ns(&self) -> u64 {
        self.per_ms.saturating_mul(NANOS).div_ceil(u64::from(self.count.max(1)))
    }
}

/// Nanoseconds in a millisecond.
const NANOS: u64 = 1_000_000;

/// How much of a rate is used. All workers share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Gcra {
    /// When the next start would be due if starts came evenly, in nanoseconds since the Unix epoch.
    pub due_ns: u64,
    /// When this was written, by the clock of the worker that wrote it.
    #[serde(default)]
    pub at: Timestamp,
}

impl Gcra {
    /// The same state, corrected for the clock of the worker that wrote it. If that clock is more than
    /// 5 s ahead of `now`, the times move back by the difference.
    #[must_use]
    pub fn seen_at(self, now: Timestamp) -> Self {
        let ahead = self.at.since(now);
        let back = if ahead > MAX_CLOCK_SKEW { millis_up(ahead).saturating_mul(NANOS) } else { 0 };
        Self { due_ns: self.due_ns.saturating_sub(back), at: now }
    }

    /// The earliest time at which another attempt may start.
    pub fn earliest(self, rate: &Rate, now: Timestamp) -> Timestamp {
        now.max(self.next(rate))
    }

    /// The state after one more start at `start`, a time that [`earliest`](Self::earliest) has given.
    #[must_use]
    pub fn take(self, rate: &Rate, start: Timestamp) -> Self {
        // A start that had to wait was rounded up to a whole millisecond. The next start is computed
        // from the exact time, so that the rounding does not add up.
        let waited = self.next(rate) == start;
        let start = if waited { 0 } else { start.as_millis().saturating_mul(NANOS) };
        Self { due_ns: self.due_ns.max(start).saturating_add(rate.interval_ns()), ..self }
    }

    fn next(self, rate: &Rate) -> Timestamp {
        let ahead = u64::from(rate.burst.max(1) - 1).saturating_mul(rate.interval_ns());
        Timestamp::from_millis(self.due_ns.saturating_sub(ahead).div_ceil(NANOS))
    }

    /// When the rate is unused again, so that a full burst may start.
    pub fn free_at(self) -> Timestamp {
        Timestamp::from_millis(self.due_ns.div_ceil(NANOS))
    }
}

/// The state-store entry of one rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateEntry {
    /// How much of the rate is used.
    #[serde(flatten)]
    pub used: Gcra,
    /// The rate as the job that wrote this entry defines it. Operators see it.
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
        fn no_more_than_count_and_burst_start_in_any_period(
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
        fn no_start_is_early_and_starts_keep_the_order_of_requests(
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
    fn a_clock_that_was_ahead_delays_no_start_of_other_workers() {
        let rate = Rate::new(1, Duration::from_secs(1));
        let now = Timestamp::from_millis(1_000_000);
        let hour = Duration::from_secs(3600);
        let ahead = Gcra::default().seen_at(now + hour).take(&rate, now + hour);
        let seen = ahead.seen_at(now);
        assert_eq!(seen.earliest(&rate, now), now + Duration::from_secs(1));
        // A reserved start still counts, and no time moves twice.
        let reserved = ahead.take(&rate, ahead.earliest(&rate, now + hour)).seen_at(now);
        assert_eq!(reserved.earliest(&rate, now), now + Duration::from_secs(2));
        assert_eq!(reserved.seen_at(now), reserved);
        // A small difference of clocks is not corrected.
        let little =
            Gcra::default().seen_at(now + MAX_CLOCK_SKEW).take(&rate, now + MAX_CLOCK_SKEW);
        assert_eq!(little.seen_at(now).due_ns, little.due_ns);
        let old: Gcra = serde_json::from_str(r#"{"due_ns":5}"#).expect("the older form");
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
