//! [`Zone`]: a time zone by its IANA name.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ScheduleFault;
use crate::clock::Timestamp;

/// A time zone of the IANA database, such as `Europe/Berlin`; UTC by default. Its rules come from the
/// machine, or if the machine has none, from the copy in this program.
#[derive(Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The time in this zone: `Tue 2026-11-24 03:00:00 CET`, with milliseconds if they are not zero.
    pub fn local(&self, at: Timestamp) -> String {
        let there = to_jiff(at).to_zoned(self.0.clone());
        let form = if at.as_millis().is_multiple_of(1_000) {
            "%a %Y-%m-%d %H:%M:%S %Z"
        } else {
            "%a %Y-%m-%d %H:%M:%S%.3f %Z"
        };
        there.strftime(form).to_string()
    }

    pub(super) fn rules(&self) -> &TimeZone {
        &self.0
    }
}

pub(super) fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::MAX)
}

pub(super) fn from_jiff(at: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(u64::try_from(at.as_millisecond()).unwrap_or(0))
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

impl FromStr for Zone {
    type Err = ScheduleFault;

    fn from_str(text: &str) -> Result<Self, ScheduleFault> {
        let unknown = || ScheduleFault::Zone(text.chars().take(80).collect());
        match text {
            "UTC" | "utc" => Ok(Self::default()),
            // Only names: an offset has no daylight saving time.
            _ if text.len() <= 64 => TimeZone::get(text).map(Self).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name())
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Zone {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_the_zone() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let berlin: Zone = "Europe/Berlin".parse().expect("a zone");
        assert_eq!(berlin.local(at("2026-11-24T02:00:00Z")), "Tue 2026-11-24 03:00:00 CET");
        assert_eq!(
            berlin.local(at("2026-07-01T02:00:00.250Z")),
            "Wed 2026-07-01 04:00:00.250 CEST"
        );
        assert_eq!(
            Zone::default().local(at("2026-07-01T02:00:00Z")),
            "Wed 2026-07-01 02:00:00 UTC"
        );
    }

    #[test]
    fn only_names_of_the_database_are_accepted() {
        for good in ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"] {
            assert_eq!(good.parse::<Zone>().expect("a zone").to_string(), good);
        }
        for bad in ["", "Berlin", "+02:00", "../etc/passwd", "/etc/localtime", &"x".repeat(300)] {
            assert!(bad.parse::<Zone>().is_err(), "{bad}");
        }
    }
}
