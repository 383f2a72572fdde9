//! [`RelativeTime`]: a time, shown relative to now.

use std::fmt;
use std::time::Duration;

use naq_core::Timestamp;

/// A time, and the time that counts as now. The macro `moment` in `macros.html` shows it as
/// `<time datetime="2026-11-23T12:00:00Z" title="...">3 s ago</time>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelativeTime {
    pub(crate) at: Timestamp,
    pub(crate) now: Timestamp,
}

impl RelativeTime {
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self { at, now }
    }

    /// RFC 3339, in UTC.
    pub(crate) fn absolute(&self) -> String {
        self.at.to_string()
    }
}

impl fmt::Display for RelativeTime {
    /// `now`, `12 s ago`, `in 3 min`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ahead = self.at.since(self.now);
        let behind = self.now.since(self.at);
        match (ahead.as_millis(), behind.as_millis()) {
            (0, 0..=999) => f.write_str("now"),
            (0, _) => write!(f, "{} ago", span(behind)),
            _ => write!(f, "in {}", span(ahead)),
        }
    }
}

/// A duration in at most its two largest units: `350 ms`, `4.2 s`, `3 min 20 s`, `2 d 4 h`.
pub(crate) fn span(d: Duration) -> String {
    let ms = d.as_millis();
    let s = d.as_secs();
    let two = |big: u64, unit: &str, small: u64, less: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {less}"),
    };
    match s {
        0 => format!("{ms} ms"),
        1..=9 if ms % 1_000 >= 100 => format!("{:.1} s", d.as_secs_f64()),
        1..=59 => format!("{s} s"),
        60..=3_599 => two(s / 60, "min", s % 60, "s"),
        3_600..=86_399 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}
