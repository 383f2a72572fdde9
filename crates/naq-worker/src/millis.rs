//! Spans of time in whole milliseconds.

use std::time::Duration;

/// Whole milliseconds; the largest number for a span that has more.
pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
