//! Text from jobs, made safe for a terminal: characters that move the cursor, change colours or
//! reverse the reading order are printed as escapes.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::Duration;

use naq_core::retry::{BriefDuration, Delay};
use naq_core::{Clock, SystemClock, Timestamp};

/// Whether a terminal may act on this character instead of showing it: control characters, those that
/// change the reading direction, and those without width. The two joiners that scripts and emoji need
/// are allowed.
pub(crate) fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` on one line: each unprintable character, line breaks included, becomes an escape such as
/// `\u{1b}` or `\n`.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unprintable(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// As [`printable`], but line breaks are kept.
pub(crate) fn printable_lines(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c != '\n' && is_unprintable(c)) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.split('\n').map(printable).collect::<Vec<_>>().join("\n"))
}

/// JSON text with unprintable characters as JSON escapes. Inside strings this changes the spelling and
/// not the value. A line break in JSON can only be between values, so it becomes a space.
pub(crate) fn printable_json(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unprintable) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => out.push(' '),
            c if is_unprintable(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string cannot fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// `1 job`, `3 jobs`.
pub(crate) fn count(n: u64, what: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {what}{plural}")
}

/// The line below a list that left out messages.
pub(crate) fn skipped_note(n: usize) -> String {
    format!("left out {}: no job can have such a subject", count(n as u64, "message"))
}

/// A duration in the form that policies use: `1m30s`.
pub(crate) fn duration(d: Duration) -> String {
    Delay::Every(d).to_string()
}

/// A duration rounded down to two units: `3d4h`, `1m30s`, `2.9s`, `250ms`.
pub(crate) fn about(d: Duration) -> String {
    BriefDuration(d).to_string()
}

/// Parses an argument in the form that [`duration`] writes.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<Delay>() {
        Ok(Delay::Every(d)) => Ok(d),
        _ => Err("use a duration such as 500ms, 5s, 1m30s, 2h or 1d, at most 3650d".into()),
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ByteSize(pub(crate) u64);

/// Parses a size. As in the tools of NATS, 1KB is 1024 bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<ByteSize, String> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit: Option<u64> = match text[digits.len()..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => Some(1),
        "K" | "KB" | "KIB" => Some(1 << 10),
        "M" | "MB" | "MIB" => Some(1 << 20),
        "G" | "GB" | "GIB" => Some(1 << 30),
        "T" | "TB" | "TIB" => Some(1 << 40),
        _ => None,
    };
    let bytes = unit.and_then(|unit| digits.parse::<u64>().ok()?.checked_mul(unit));
    bytes.map(ByteSize).ok_or_else(|| "use a size such as 500MB or 2GB".into())
}

/// As [`parse_duration`], but a plain number means seconds: some `NAQ_*` variables are plain seconds.
pub(crate) fn parse_duration_or_seconds(text: &str) -> Result<Duration, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { parse_duration(&format!("{text}s")) } else { parse_duration(text) }
}

/// Parses a time argument. A time without a zone is UTC.
pub(crate) fn parse_time(text: &str) -> Result<Timestamp, String> {
    Timestamp::read(text, SystemClock.now()).map_err(|err| err.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_number_means_seconds_where_a_variable_allows_it() {
        let read = parse_duration_or_seconds;
        assert_eq!((read("60"), read("60s")), (Ok(Duration::from_secs(60)), read("1m")));
        for bad in ["", "-1", "6 0", "99999999999999999999"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn characters_that_a_terminal_acts_on_are_escaped() {
        for hostile in
            ["\u{1b}[2J", "\u{9b}31m", "\u{7}", "\u{202e}txt", "\u{2066}", "a\rb", "\u{7f}"]
        {
            for safe in [printable(hostile), printable_lines(hostile), printable_json(hostile)] {
                assert!(!safe.chars().any(is_unprintable), "{safe:?}");
            }
        }
        assert_eq!(printable("a\n\u{1b}[0m"), "a\\n\\u{1b}[0m");
        assert_eq!(printable_lines("a\n\u{7}"), "a\n\\u{7}");
        assert_eq!(printable("grün 日本 👩‍💻"), "grün 日本 👩‍💻");
    }

    #[test]
    fn escaped_json_reads_back_as_the_same_value() {
        let json = "{\"a\":\"\u{202e}\u{9b}\u{e0041}\",\n\"b\":1.50}";
        let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("json");
        assert_eq!(read(&printable_json(json)), read(json));
    }

    #[test]
    fn durations_are_rounded_to_two_units() {
        for (ms, text) in
            [(250, "250ms"), (90_400, "1m30s"), (3_725_000, "1h2m"), (273_599_000, "3d3h")]
        {
            assert_eq!(about(Duration::from_millis(ms)), text);
        }
        assert!(parse_duration("5").is_err() && parse_duration("1s/2s").is_err());
    }
}
