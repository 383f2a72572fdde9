//! How far the broker's clock is ahead of ours. Due times go out in the broker's time, so that a
//! machine with a wrong clock makes no retry early.

use std::sync::Mutex;
use std::time::Duration;

use naq_core::Timestamp;
use tokio::time::Instant;

/// A measurement is taken again after this long: clocks are set, and drift.
const FRESH: Duration = Duration::from_secs(60);

/// An answer within this time tells the clocks apart as well as anybody needs.
const QUICK: Duration = Duration::from_millis(5);

/// The last measurement.
#[derive(Debug, Default)]
pub(crate) struct Offset(Mutex<Option<Measured>>);

#[derive(Debug, Clone, Copy)]
struct Measured {
    ahead_ms: i64,
    at: Instant,
    /// The same moment by our clock.
    clock: Timestamp,
}

/// By how much our clock may disagree with the time that has passed before it counts as set anew.
const STEP: Duration = Duration::from_millis(100);

impl Measured {
    /// Whether our clock was set since, so that what was measured is worth nothing.
    fn was_set(&self, now: Timestamp) -> bool {
        let expected = self.clock + self.at.elapsed();
        now.since(expected) > STEP || expected.since(now) > STEP
    }
}

impl Offset {
    /// Takes in that the broker's clock said `broker` at some moment between `asked` and
    /// `answered` of ours.
    pub(crate) fn measured(&self, asked: Timestamp, broker: Timestamp, answered: Timestamp) {
        let ahead_ms = ahead(asked, broker, answered);
        if let Ok(mut last) = self.0.lock() {
            *last = Some(Measured { ahead_ms, at: Instant::now(), clock: answered });
        }
    }

    /// The broker would not say: what was known, or else no difference, must do for a while.
    pub(crate) fn not_now(&self, now: Timestamp) {
        let ahead_ms = self.ahead_ms();
        if let Ok(mut last) = self.0.lock() {
            *last = Some(Measured { ahead_ms, at: Instant::now(), clock: now });
        }
    }

    /// Milliseconds that the broker is ahead, as far as is known.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.0.lock().ok().and_then(|last| *last).map_or(0, |measured| measured.ahead_ms)
    }

    /// Whether it is time to measure.
    pub(crate) fn is_old(&self, now: Timestamp) -> bool {
        let last = self.0.lock().ok().and_then(|last| *last);
        last.is_none_or(|last| last.at.elapsed() > FRESH || last.was_set(now))
    }

    /// A time of ours as the broker's clock will show it.
    pub(crate) fn to_broker(&self, ours: Timestamp) -> Timestamp {
        shift(ours, self.ahead_ms())
    }

    /// A time of the broker's as our clock will show it.
    pub(crate) fn to_ours(&self, brokers: Timestamp) -> Timestamp {
        shift(brokers, -self.ahead_ms())
    }
}

fn shift(t: Timestamp, by_ms: i64) -> Timestamp {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    if by_ms < 0 { t.saturating_sub(by) } else { t + by }
}

/// None where a quick answer cannot tell the clocks apart. Otherwise the most that the broker can be
/// ahead: late by the length of a round trip is better than early.
fn ahead(asked: Timestamp, broker: Timestamp, answered: Timestamp) -> i64 {
    let ms = |t: Timestamp| i64::try_from(t.as_millis()).unwrap_or(i64::MAX);
    // Times are cut to the millisecond: one either way is nothing.
    let same = ms(asked) - 1 <= ms(broker) && ms(broker) <= ms(answered) + 1;
    let quick = answered.since(asked) <= QUICK;
    if same && quick { 0 } else { ms(broker) - ms(asked) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_that_agree_have_no_offset_and_others_one_that_is_never_early() {
        let t = Timestamp::from_millis;
        assert_eq!(ahead(t(1000), t(1000), t(1000)), 0);
        assert_eq!(ahead(t(1000), t(999), t(1001)), 0);
        // The answer took long: the broker may be ahead by as much.
        assert_eq!(ahead(t(1000), t(1150), t(1200)), 151);
        // Ours is five minutes behind, then ahead.
        assert_eq!(ahead(t(1000), t(301_001), t(1002)), 300_002);
        assert_eq!(ahead(t(400_000), t(100_001), t(400_002)), -299_998);
    }

    #[test]
    fn times_go_out_and_come_back() {
        let offset = Offset::default();
        let t = Timestamp::from_millis;
        assert!(offset.is_old(t(400_000)));
        offset.measured(t(400_000), t(100_000), t(400_000));
        assert!(!offset.is_old(t(400_050)));
        // Somebody set our clock.
        assert!(offset.is_old(t(399_000)) && offset.is_old(t(401_000)));
        let due = t(405_000);
        assert_eq!(offset.to_broker(due), t(105_001));
        assert_eq!(offset.to_ours(offset.to_broker(due)), due);
    }
}
