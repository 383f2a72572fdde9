//! [`JobState`]: where the message of a job is. NAQ does not store the state anywhere else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum JobState {
    /// It is in its queue and waits for a slot.
    Pending,
    /// A worker holds it.
    Running,
    /// It waits for its parents to end.
    Blocked,
    /// It waits for the time of its first attempt.
    Scheduled,
    /// It waits for the time of its next attempt.
    Retrying,
    /// It succeeded.
    Completed,
    /// It is in the dead letter queue.
    Dead,
    /// It was cancelled by its handler, its parents, a client or an operator.
    Cancelled,
    /// Its deadline passed before an attempt could start.
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

    /// The name on the wire, in the CLI and in the documentation.
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

    /// Whether the job has ended. Only a requeue of a dead job leaves a final state.
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
