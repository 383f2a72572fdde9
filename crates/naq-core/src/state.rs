//! The states of a job. A state is where the job's message is, never a second copy of it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// Waits in its queue for a free slot.
    Pending,
    /// Delivered to a worker.
    Running,
    /// Waits for other jobs to end.
    Blocked,
    /// Waits for the time of its first attempt.
    Scheduled,
    /// Waits for the time of its next attempt.
    Retrying,
    /// Succeeded.
    Completed,
    /// In the dead letter queue.
    Dead,
    /// Ended by somebody's or its own wish.
    Cancelled,
    /// Its deadline passed before it could start.
    Expired,
}

impl JobState {
    /// Every state, in the order of a job's life.
    pub const ALL: [Self; 9] = [
        Self::Pending,
        Self::Running,
        Self::Blocked,
        Self::Scheduled,
        Self::Retrying,
        Self::Completed,
        Self::Dead,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name, the same on the wire, in the CLI and in documents.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Scheduled => "scheduled",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether the job has ended; only an operator's requeue leaves such a state.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled | Self::Expired)
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|state| state.as_str() == s).ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|s| s.as_str()).collect();
            format!("unknown state {s:?}; known: {}", known.join(", "))
        })
    }
}
