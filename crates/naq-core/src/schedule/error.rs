//! What can be wrong with a schedule by itself.

use crate::wire::{DecodeError, EncodeError};

/// A schedule that makes no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScheduleFault {
    /// A text that is no cron expression.
    #[error(
        "invalid cron expression {text:?}: {reason}; write minute hour day month weekday, with seconds \
         before them or not, or @hourly, @daily, @weekly, @monthly, @yearly"
    )]
    Cron {
        /// The text, cut.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A text that names no time zone.
    #[error("unknown time zone {0:?}: write an IANA name such as Europe/Berlin, or UTC")]
    Zone(String),
    /// An option is out of range, or contradicts another.
    #[error("{0}")]
    Option(String),
    /// The job cannot be kept.
    #[error("the job of the schedule: {0}")]
    Encode(#[from] EncodeError),
    /// What is stored is no schedule that this version can read.
    #[error("cannot be read: {0}")]
    Decode(#[from] DecodeError),
}
