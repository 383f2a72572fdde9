//! Durations as text: `1m30s`.
//!
//! `humantime` is not used here: it accepts too much (it reads `5 5s` as 55 s and `M` as a month of
//! 30.44 days), and up to 2.4 it panics on some sums. This code reads exactly what it writes.

use std::fmt;
use std::time::Duration;

const UNITS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// The end of the error for a text that is not a duration.
pub(super) const ALLOWED: &str = "use a duration such as 500ms, 5s, 1m30s, 2h or 1d, at most 3650d";

/// A duration in whole milliseconds, in the shortest exact form: `0s`, `1m30s`, `2d500ms`.
pub(super) struct CompactDuration(pub(super) Duration);

impl fmt::Display for CompactDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = crate::clock::millis_up(self.0);
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in UNITS {
            let n = rest / size;
            rest %= size;
            if n > 0 {
                write!(f, "{n}{unit}")?;
            }
        }
        Ok(())
    }
}

/// A duration for people, rounded down to its two largest units: `250ms`, `2.9s`, `45s`, `1m30s`, `3d4h`.
/// [`read_duration`] reads it. Everything that NAQ shows to people uses this form.
///
/// ```
/// use std::time::Duration;
/// use naq_core::retry::BriefDuration;
///
/// let took = Duration::from_millis(2_862);
/// assert_eq!(BriefDuration(took).to_string(), "2.8s");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BriefDuration(pub Duration);

impl fmt::Display for BriefDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, tenths) = (self.0.as_secs(), self.0.subsec_millis() / 100);
        let grain = match secs {
            0 => return write!(f, "{}", CompactDuration(self.0)),
            1..10 if tenths > 0 => return write!(f, "{secs}.{tenths}s"),
            1..3_600 => 1,
            3_600..86_400 => 60,
            _ => 3_600,
        };
        write!(f, "{}", CompactDuration(Duration::from_secs(secs / grain * grain)))
    }
}

/// Reads a duration as policies write it: `1m30s`, `500ms`, `1.5s`. Numbers with a unit each, in any
/// order. Parts of a millisecond are rounded up. `None` for any other text, and for more than ten years.
pub fn read_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, tail) = split_at_first(rest, |c| !(c.is_ascii_digit() || c == '.'));
        let (unit, tail) = split_at_first(tail, |c| !c.is_ascii_alphabetic());
        let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
        if !number.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        total = total.checked_add(parts(number)?.checked_mul(u128::from(*size))?)?;
        rest = tail;
    }
    let millis = total.div_ceil(PARTS);
    let max = super::RetryPolicy::MAX_DURATION.as_millis();
    let fits = !text.is_empty() && millis <= max;
    fits.then(|| Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
}

/// Numbers are added up in parts of this size, because floating-point sums are not exact.
const PARTS: u128 = 1_000_000_000_000;

/// A decimal number in parts, rounded up.
fn parts(number: &str) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let digits = PARTS.ilog10() as usize;
    let (kept, rest) = fraction.split_at(fraction.len().min(digits));
    let kept = format!("{kept:0<digits$}").parse::<u128>().ok()?;
    let up = u128::from(rest.bytes().any(|b| b != b'0'));
    whole.parse::<u128>().ok()?.checked_mul(PARTS)?.checked_add(kept + up)
}

fn split_at_first(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_write() {
        for (text, ms, written) in [
            ("0s", 0, "0s"),
            ("0ms", 0, "0s"),
            ("500ms", 500, "500ms"),
            ("5s", 5_000, "5s"),
            ("1.5s", 1_500, "1s500ms"),
            ("0.1ms", 1, "1ms"),
            ("0.001ms", 1, "1ms"),
            ("0.0000000000000001ms", 1, "1ms"),
            ("0.000ms", 0, "0s"),
            ("2.0000001s", 2_001, "2s1ms"),
            ("0.1s0.2s", 300, "300ms"),
            ("0.29s", 290, "290ms"),
            ("1.1d", 95_040_000, "1d2h24m"),
            ("1m30s", 90_000, "1m30s"),
            ("90s", 90_000, "1m30s"),
            ("36h", 129_600_000, "1d12h"),
            ("3650d", 315_360_000_000, "3650d"),
        ] {
            let d = read_duration(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (d, CompactDuration(d).to_string()),
                (Duration::from_millis(ms), written.into())
            );
        }
    }

    #[test]
    fn people_read_two_units_and_read_duration_reads_them_too() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (999, "999ms"),
            (1_000, "1s"),
            (1_099, "1s"),
            (2_862, "2.8s"),
            (9_999, "9.9s"),
            (59_999, "59s"),
            (90_400, "1m30s"),
            (3_600_000, "1h"),
            (3_725_000, "1h2m"),
            (273_599_000, "3d3h"),
        ] {
            assert_eq!(BriefDuration(Duration::from_millis(ms)).to_string(), text);
            assert!(read_duration(text).is_some(), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "",
            "5",
            "s",
            "5 s",
            " 5s",
            "5s ",
            "-5s",
            "+5s",
            ".5s",
            "5x",
            "5S",
            "1e3s",
            "5s5",
            "3651d",
            "1..5s",
            "1.2.3s",
            "٣s",
            "99999999999999999999999999999999999999999d",
        ] {
            assert_eq!(read_duration(bad), None, "{bad:?}");
        }
    }
}
