//! [`Timestamp`]: a point in time, in milliseconds.

use std::fmt;
use std::ops::Add;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A point in time in UTC with a precision of one millisecond. On the wire it is RFC 3339 text.
///
/// ```
/// use naq_core::Timestamp;
/// use std::time::Duration;
///
/// let t: Timestamp = "2026-11-23T12:00:00.250Z".parse()?;
/// assert_eq!((t + Duration::from_secs(2)).to_string(), "2026-11-23T12:00:02.250Z");
/// # Ok::<(), naq_core::TimestampError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

/// A text is not an RFC 3339 time in UTC.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid time {0:?}: write RFC 3339 in UTC, as 2026-11-23T12:00:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// The latest time that RFC 3339 can write: the end of the year 9999.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The time so many milliseconds after the Unix epoch; at most [`Timestamp::MAX`].
    pub const fn from_millis(millis: u64) -> Self {
        if millis > Self::MAX.0 { Self::MAX } else { Self(millis) }
    }

    /// The milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The duration from `earlier` to this time; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This time minus `by`, rounded up to whole milliseconds; at the earliest the Unix epoch.
    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(millis_up(by)))
    }
}

/// The duration in whole milliseconds, rounded down; at most [`u64::MAX`].
pub fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// The duration in whole milliseconds, rounded up, so that a delay is never too short; at most
/// [`u64::MAX`].
pub fn millis_up(d: Duration) -> u64 {
    u64::try_from(d.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at [`Timestamp::MAX`]; parts of a millisecond are rounded up.
    fn add(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(millis_up(by)))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(t: SystemTime) -> Self {
        let since = t.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(millis(since))
    }
}

impl From<Timestamp> for SystemTime {
    fn from(t: Timestamp) -> Self {
        UNIX_EPOCH + Duration::from_millis(t.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_rfc3339_millis(SystemTime::from(*self)).fmt(f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(s: &str) -> Result<Self, TimestampError> {
        // Python and Go write UTC as an offset of zero.
        let utc = s.strip_suffix("+00:00").map_or_else(|| s.to_owned(), |head| format!("{head}Z"));
        humantime::parse_rfc3339(&utc)
            .map(Self::from)
            .map_err(|_| TimestampError(s.chars().take(40).collect()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_rounds_up_so_that_nothing_is_early() {
        let t = Timestamp::from_millis(1000);
        assert_eq!(t + Duration::from_micros(1), Timestamp::from_millis(1001));
        assert_eq!(t + Duration::MAX, Timestamp::MAX);
    }

    #[test]
    fn text_round_trips_to_the_millisecond() {
        for ms in [0, 1, 999, 1_795_435_200_250, Timestamp::MAX.as_millis()] {
            let t = Timestamp::from_millis(ms);
            assert_eq!(t.to_string().parse(), Ok(t));
        }
    }

    #[test]
    fn an_offset_of_zero_is_utc_and_any_other_is_refused() {
        assert_eq!("1970-01-01T00:00:01+00:00".parse(), Ok(Timestamp::from_millis(1000)));
        assert!("1970-01-01T00:00:01+02:00".parse::<Timestamp>().is_err());
        assert!("yesterday".parse::<Timestamp>().is_err());
    }
}
