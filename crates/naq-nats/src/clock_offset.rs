//! The difference between the broker's clock and the clock of this process. All times at the ports
//! are the broker's, so that nothing is early or late if this machine's clock is wrong.

use std::sync::Mutex;
use std::time::Duration;

use naq_core::Timestamp;
use tokio::time::Instant;

/// How long a measurement is used. Clocks drift, and operators set them.
const MAX_AGE: Duration = Duration::from_secs(60);

/// A reply within this time is precise enough to compare the clocks.
const QUICK_REPLY: Duration = Duration::from_millis(5);

/// The last measurement.
#[derive(Debug, Default)]
pub(crate) struct ClockOffset(Mutex<Option<OffsetSample>>);

#[derive(Debug, Clone, Copy)]
struct OffsetSample {
    ahead_ms: i64,
    at: Instant,
    /// The time of this process's clock at the instant `at`.
    clock: Timestamp,
}

/// If our clock and the passed time differ by more than this, our clock was set.
const CLOCK_STEP: Duration = Duration::from_millis(100);

impl OffsetSample {
    /// Whether our clock was set since the measurement, which makes the measurement useless.
    fn was_set(&self, now: Timestamp) -> bool {
        let expected = self.clock + self.at.elapsed();
        now.since(expected) > CLOCK_STEP || expected.since(now) > CLOCK_STEP
    }
}

impl ClockOffset {
    /// Stores a measurement: the broker's clock showed `broker` at some time between `asked` and
    /// `answered` of our clock.
    pub(crate) fn measured(&self, asked: Timestamp, broker: Timestamp, answered: Timestamp) {
        let ahead_ms = ahead(asked, broker, answered);
        if let Ok(mut last) = self.0.lock() {
            // Each measurement is the largest possible difference. A slow reply must not replace a
            // better one: all delays would be late by the time that it took.
            let is_better = |old: &OffsetSample| {
                let is_fresh = old.at.elapsed() <= MAX_AGE && !old.was_set(answered);
                is_fresh && (least(broker, answered)..=ahead_ms).contains(&old.ahead_ms)
            };
            if last.as_ref().is_some_and(is_better) {
                return;
            }
            *last = Some(OffsetSample { ahead_ms, at: Instant::now(), clock: answered });
        }
    }

    /// The broker did not answer. Until the next measurement the last known difference is used, or
    /// zero if there is none.
    pub(crate) fn measure_failed(&self, now: Timestamp) {
        let ahead_ms = self.ahead_ms();
        if let Ok(mut last) = self.0.lock() {
            *last = Some(OffsetSample { ahead_ms, at: Instant::now(), clock: now });
        }
    }

    /// How many milliseconds the broker's clock is ahead. Zero if that is unknown.
    pub(crate) fn ahead_ms(&self) -> i64 {
        self.0.lock().ok().and_then(|last| *last).map_or(0, |measured| measured.ahead_ms)
    }

    /// Whether a new measurement is needed.
    pub(crate) fn is_outdated(&self, now: Timestamp) -> bool {
        let last = self.0.lock().ok().and_then(|last| *last);
        last.is_none_or(|last| last.at.elapsed() > MAX_AGE || last.was_set(now))
    }

    /// The time by the broker's clock, while our clock shows `now`. `None` before the first
    /// measurement. If our clock was set since, the time that has passed is added instead.
    pub(crate) fn broker_now(&self, now: Timestamp) -> Option<Timestamp> {
        let last = self.0.lock().ok().and_then(|last| *last)?;
        let ours = if last.was_set(now) { last.clock + last.at.elapsed() } else { now };
        Some(shift(ours, last.ahead_ms))
    }
}

fn shift(t: Timestamp, by_ms: i64) -> Timestamp {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    if by_ms < 0 { t.saturating_sub(by) } else { t + by }
}

/// The smallest possible difference. A clock of the broker that was set ahead shows in it.
fn least(broker: Timestamp, answered: Timestamp) -> i64 {
    let ms = |t: Timestamp| i64::try_from(t.as_millis()).unwrap_or(i64::MAX);
    ms(broker) - ms(answered) - 1
}

/// Zero if a quick reply shows no difference. Otherwise the largest possible difference, so that a
/// job may be late by one round trip but never early.
fn ahead(asked: Timestamp, broker: Timestamp, answered: Timestamp) -> i64 {
    let ms = |t: Timestamp| i64::try_from(t.as_millis()).unwrap_or(i64::MAX);
    // Times are rounded to milliseconds, so a difference of one does not count.
    let same = ms(asked) - 1 <= ms(broker) && ms(broker) <= ms(answered) + 1;
    let quick = answered.since(asked) <= QUICK_REPLY;
    if same && quick { 0 } else { ms(broker) - ms(asked) + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_clocks_have_no_offset_and_other_offsets_are_never_early() {
        let t = Timestamp::from_millis;
        assert_eq!(ahead(t(1000), t(1000), t(1000)), 0);
        assert_eq!(ahead(t(1000), t(999), t(1001)), 0);
        // The reply took long, so the broker may be ahead by that time.
        assert_eq!(ahead(t(1000), t(1150), t(1200)), 151);
        // Our clock is five minutes behind, then five minutes ahead.
        assert_eq!(ahead(t(1000), t(301_001), t(1002)), 300_002);
        assert_eq!(ahead(t(400_000), t(100_001), t(400_002)), -299_998);
    }

    #[test]
    fn a_slow_reply_does_not_replace_a_better_measurement() {
        let (offset, t) = (ClockOffset::default(), Timestamp::from_millis);
        offset.measured(t(10_000), t(10_000), t(10_000));
        offset.measured(t(8_600), t(10_000), t(10_010));
        assert_eq!(offset.ahead_ms(), 0, "the reply took 1.4 s");
        // The broker's clock was set ahead, and then back.
        offset.measured(t(10_020), t(18_020), t(10_021));
        assert_eq!(offset.ahead_ms(), 8_001);
        offset.measured(t(10_030), t(10_030), t(10_030));
        assert_eq!(offset.ahead_ms(), 0);
    }

    #[test]
    fn the_brokers_time_is_known_after_a_measurement_also_if_our_clock_is_set() {
        let offset = ClockOffset::default();
        let t = Timestamp::from_millis;
        assert!(offset.is_outdated(t(400_000)));
        assert_eq!(offset.broker_now(t(400_000)), None);
        offset.measured(t(400_000), t(100_000), t(400_000));
        assert!(!offset.is_outdated(t(400_050)));
        assert_eq!(offset.broker_now(t(400_050)), Some(t(100_051)));
        // The operator set our clock.
        for set in [t(0), t(399_000), t(4_000_000)] {
            assert!(offset.is_outdated(set));
            let now = offset.broker_now(set).expect("known");
            assert!(now >= t(100_001) && now < t(160_000), "{now}");
        }
    }
}
