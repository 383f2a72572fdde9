//! [`StatsReport`]: the counts of one process in one minute, as they are written to the broker.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ErrorGroup, TaskStats};
use crate::clock::Timestamp;
use crate::names::WorkerId;

/// A minute, counted from the Unix epoch.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Minute(pub u64);

impl Minute {
    /// The length of a minute in milliseconds.
    pub const MS: u64 = 60_000;

    /// The minute of this time.
    pub const fn of(at: Timestamp) -> Self {
        Self(at.as_millis() / Self::MS)
    }

    /// When the minute starts.
    pub const fn start(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(Self::MS))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The counts of one process in one minute so far. A newer report of the same process and minute replaces
/// it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsReport {
    /// The worker.
    pub worker: WorkerId,
    /// The process of the worker: letters and digits. A process that is started again has another one,
    /// so that it does not replace reports of the first. Empty if the writer has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
    /// The version of NAQ of the worker.
    pub version: String,
    /// The minute.
    pub minute: Minute,
    /// When the report was written.
    pub written_at: Timestamp,
    /// The counts by task.
    #[serde(default)]
    pub tasks: Vec<TaskStats>,
    /// The failures by error group.
    #[serde(default)]
    pub errors: Vec<ErrorGroup>,
    /// How many failures are in no group, because there were too many groups.
    #[serde(default)]
    pub other_errors: u64,
}

impl StatsReport {
    /// The worker and the process: `worker-process`.
    pub fn source(&self) -> String {
        match self.process.as_str() {
            "" => self.worker.to_string(),
            process => format!("{}-{process}", self.worker),
        }
    }

    /// Makes the report smaller if it is too large for the broker. The first call drops the error groups,
    /// the second one the due times of retries. Returns false if nothing is left to drop.
    pub fn shrink(&mut self) -> bool {
        if !self.errors.is_empty() {
            self.fold_errors(0);
            return true;
        }
        let mut shrunk = false;
        for stats in &mut self.tasks {
            shrunk |= !std::mem::take(&mut stats.counts.due).is_empty();
        }
        shrunk
    }

    /// Keeps at most `most` error groups, and counts the failures of the others together.
    pub(super) fn fold_errors(&mut self, most: usize) {
        for group in self.errors.drain(most.min(self.errors.len())..) {
            self.other_errors = self.other_errors.saturating_add(group.count);
        }
    }
}
