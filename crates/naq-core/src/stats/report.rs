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

/// Everything that one process of a worker has counted in one minute so far. A newer one of the same
/// process and minute takes its place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatsReport {
    /// The worker.
    pub worker: WorkerId,
    /// Which process of that id: one that starts again, or beside it by mistake, replaces nothing of
    /// the other's. Letters and digits; empty where whoever wrote it has no such thing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub process: String,
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

impl StatsReport {
    /// Who has counted: `worker-process`.
    pub fn source(&self) -> String {
        match self.process.as_str() {
            "" => self.worker.to_string(),
            process => format!("{}-{process}", self.worker),
        }
    }

    /// Makes it smaller, for a broker that does not take it as it is: first its failures are no
    /// longer told apart, then it does not say when retries come due. False when it cannot be.
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

    /// Tells at most `most` groups of failures apart.
    pub(super) fn fold_errors(&mut self, most: usize) {
        for group in self.errors.drain(most.min(self.errors.len())..) {
            self.other_errors = self.other_errors.saturating_add(group.count);
        }
    }
}
