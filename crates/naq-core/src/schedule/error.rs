//! [`ScheduleFault`]: why a schedule is invalid.

use crate::wire::{DecodeError, EncodeError};

/// A schedule is invalid. The text says why.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleFault {
    /// A text is not a cron expression.
    #[error(
        "invalid cron expression {text:?}: {reason}; write minute hour day month weekday, with seconds \
         before them or not, or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Cron {
        /// The text, at most 80 characters of it.
        text: String,
        /// The reason.
        reason: String,
    },
    /// A text is not the name of a time zone.
    #[error("unknown time zone {0:?}: write an IANA name such as Europe/Berlin, or UTC")]
    Zone(String),
    /// A field is out of range, or contradicts another one.
    #[error("{0}")]
    Option(String),
    /// The job cannot be written.
    #[error("the job of the schedule: {0}")]
    Encode(#[from] EncodeError),
    /// A stored schedule cannot be read by this version.
    #[error("cannot be read: {0}")]
    Decode(#[from] DecodeError),
}
