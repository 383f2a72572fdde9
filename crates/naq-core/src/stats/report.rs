//! [`StatsReport`]: what one worker has counted in one minute.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorGroup, TaskStats};
use crate::clock::Timestamp;
use crate::names::WorkerId;

/// A minute, counted from the epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Minute(pub u64);

impl Minute {
    /// Its length in milliseconds.
    pub const MS: u64 = 60_000;

    /// The minute that this moment is in.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis() / Self::MS)
    }

    /// When it begins.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(Self::MS))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Everything that one worker has counted in one minute so far. A newer one of the same worker and
/// minute takes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsReport {
    /// The worker.
    pub worker: WorkerId,
    /// The version of NAQ that it runs.
    pub version: String,
    /// The minute.
    pub minute: Minute,
    /// When it was written.
    pub written_at: Timestamp,
    /// Its tasks.
    #[serde(default)]
    pub tasks: Vec<TaskStats>,
    /// Its failures by group.
    #[serde(default)]
    pub errors: Vec<ErrorGroup>,
    /// Failures that found no room among the groups.
    #[serde(default)]
    pub other_errors: u64,
}
