//! [`BatchState`]: the states of a batch.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchState {
    /// A process runs it, or is about to.
    Running,
    /// No process has worked on it for [`STALE_AFTER`](crate::batch::STALE_AFTER).
    /// [`run_batch`](crate::Client::run_batch) continues it. Never stored.
    Stopped,
    /// The action is done for all items.
    Done,
    /// It was cancelled. Items that were not done by then stay as they were.
    Cancelled,
    /// An undo is taking back what was done.
    Undoing,
    /// The undo is complete: all items that were not due are as they were.
    Undone,
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        })
    }
}
