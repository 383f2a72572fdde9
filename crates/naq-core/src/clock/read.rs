//! [`Timestamp::read`]: times as people write them.

use std::time::Duration;

use super::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A text is not a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid time {0:?}: write 2026-12-24, 2026-12-24 18:00, 18:00 for the next such time, or \
     2026-12-24T18:00:00+01:00; without a zone it is UTC"
)]
pub struct TimeTextError(String);

impl Timestamp {
    /// Reads a time as people write it. **Without a zone it is in UTC**, also if the machine has another
    /// time zone.
    ///
    /// | text | means |
    /// |---|---|
    /// | `2026-12-24` | the start of that day |
    /// | `2026-12-24 18:00`, also with seconds | that time |
    /// | `18:00` | the next 18:00 after `now` |
    /// | `2026-12-24T18:00:00.250Z` | RFC 3339 |
    /// | `2026-12-24 18:00 +01:00`, `18:00+0100` | the same in another zone, by its offset |
    ///
    /// ```
    /// use naq_core::Timestamp;
    ///
    /// let now: Timestamp = "2026-12-24T12:00:00Z".parse()?;
    /// let evening = Timestamp::read("18:00", now)?;
    /// assert_eq!(evening.to_string(), "2026-12-24T18:00:00.000Z");
    /// assert_eq!(Timestamp::read("2026-12-24 19:00 +01:00", now)?, evening);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`TimeTextError`] if the text has none of these forms.
    pub fn read(text: &str, now: Self) -> Result<Self, TimeTextError> {
        parse_time(text.trim(), now).ok_or_else(|| TimeTextError(text.chars().take(40).collect()))
    }
}

fn parse_time(text: &str, now: Timestamp) -> Option<Timestamp> {
    let (date, rest) = match text.get(..10).filter(|head| !head.contains(':')) {
        Some(date) => (Some(date), text[10..].strip_prefix(['T', 't', ' '])),
        None => (None, Some(text)),
    };
    let Some(rest) = rest else {
        // A day without a time.
        return date.filter(|date| *date == text).and_then(|date| utc(date, "00:00"));
    };
    let zone = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.');
    let (time, zone) = rest.split_at(zone.unwrap_or(rest.len()));
    let offset = offset(zone.trim())?;
    if let Some(date) = date {
        return Some(offset.utc(utc(date, time)?));
    }
    // That time today, in the zone of the offset, or else tomorrow.
    let today = offset.there(now).to_string();
    let at = offset.utc(utc(today.get(..10)?, time)?);
    Some(if at > now { at } else { at + DAY })
}

fn utc(date: &str, time: &str) -> Option<Timestamp> {
    let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
    format!("{date}T{time}{seconds}Z").parse().ok()
}

/// How far a time zone is ahead of UTC, or behind it.
#[derive(Clone, Copy)]
struct Offset {
    ahead: bool,
    by: Duration,
}

impl Offset {
    fn shift(at: Timestamp, later: bool, by: Duration) -> Timestamp {
        if later { at + by } else { at.saturating_sub(by) }
    }

    fn utc(self, there: Timestamp) -> Timestamp {
        Self::shift(there, !self.ahead, self.by)
    }

    fn there(self, at: Timestamp) -> Timestamp {
        Self::shift(at, self.ahead, self.by)
    }
}

/// `Z`, `UTC`, `+01:00`, `+0100`, `-05`, or nothing for UTC.
fn offset(zone: &str) -> Option<Offset> {
    if zone.is_empty() || zone.eq_ignore_ascii_case("z") || zone.eq_ignore_ascii_case("utc") {
        return Some(Offset { ahead: true, by: Duration::ZERO });
    }
    let ahead = zone.starts_with('+');
    let digits = zone.strip_prefix(['+', '-'])?;
    let (hours, minutes) = match digits.split_once(':') {
        Some(parts) => parts,
        None if digits.len() == 4 => (digits.get(..2)?, digits.get(2..)?),
        None => (digits, "00"),
    };
    let number = |text: &str, below: u64| {
        let plain = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u64>().ok().filter(|n| plain && *n < below)
    };
    let minutes = number(hours, 24)? * 60 + number(minutes, 60)?;
    Some(Offset { ahead, by: Duration::from_secs(minutes * 60) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the text at noon.
    fn read(text: &str) -> Option<String> {
        let now = "2026-12-24T12:00:00Z".parse().expect("a time");
        Timestamp::read(text, now).ok().map(|at| at.to_string())
    }

    #[test]
    fn a_time_without_a_zone_is_utc() {
        for (text, at) in [
            ("2026-12-24", "2026-12-24T00:00:00.000Z"),
            ("2026-12-24 18:00", "2026-12-24T18:00:00.000Z"),
            ("2026-12-24T18:00:05", "2026-12-24T18:00:05.000Z"),
            (" 2026-12-24 18:00:05.25 ", "2026-12-24T18:00:05.250Z"),
            ("2026-12-24T18:00:05Z", "2026-12-24T18:00:05.000Z"),
            ("2026-12-24 18:00 utc", "2026-12-24T18:00:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(at), "{text}");
        }
    }

    #[test]
    fn an_offset_moves_it() {
        for (text, at) in [
            ("2026-12-24T18:00:00+01:00", "2026-12-24T17:00:00.000Z"),
            ("2026-12-24 18:00 -05", "2026-12-24T23:00:00.000Z"),
            ("2026-12-24 23:30-0130", "2026-12-25T01:00:00.000Z"),
            ("2026-12-24 00:15 +05:45", "2026-12-23T18:30:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(at), "{text}");
        }
    }

    #[test]
    fn a_time_of_day_is_the_next_one_in_its_zone() {
        for (text, at) in [
            ("18:00", "2026-12-24T18:00:00.000Z"),
            ("12:00:01", "2026-12-24T12:00:01.000Z"),
            ("12:00", "2026-12-25T12:00:00.000Z"),
            ("07:00", "2026-12-25T07:00:00.000Z"),
            // In Auckland it is the 25th already, 01:00.
            ("02:00 +13:00", "2026-12-24T13:00:00.000Z"),
            ("00:30+13:00", "2026-12-25T11:30:00.000Z"),
            ("06:00 -08:00", "2026-12-24T14:00:00.000Z"),
        ] {
            assert_eq!(read(text).as_deref(), Some(at), "{text}");
        }
    }

    #[test]
    fn an_invalid_time_is_refused() {
        for bad in [
            "",
            "tomorrow",
            "18",
            "24:00",
            "2026-13-01",
            "2026-12-24x",
            "2026-12-24 18",
            "2026-12-24 18:00 +1",
            "2026-12-24 18:00 +25:00",
            "2026-12-24 18:00 CET",
            "1e9",
            "18:00 +01:60",
            "äöüäöüäöüäöü",
            "2026-12-2ä",
        ] {
            let now = Timestamp::from_millis(0);
            let found = Timestamp::read(bad, now);
            assert!(found.is_err(), "{bad:?}: {found:?}");
        }
        let err = Timestamp::read("noon", Timestamp::from_millis(0)).expect_err("no time");
        assert!(err.to_string().ends_with("without a zone it is UTC"), "{err}");
    }
}
