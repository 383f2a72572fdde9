//! [`RelativeTime`]: a time, shown relative to now.

use std::fmt;
use std::time::Duration;

use naq_core::Timestamp;
use naq_core::retry::BriefDuration;

/// A time, and the time that counts as now. The macro `moment` in `macros.html` shows it as
/// `<time datetime="2026-11-23T12:00:00Z" title="...">3s ago</time>`.
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
    /// `now`, `12s ago`, `in 3m`.
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

/// A duration in at most its two largest units: `350ms`, `4.2s`, `3m20s`, `2d4h`.
pub(crate) fn span(d: Duration) -> String {
    BriefDuration(d).to_string()
}
