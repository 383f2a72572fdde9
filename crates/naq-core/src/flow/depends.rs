//! The jobs that a job waits for, and which ends of theirs let it run.

use serde::{Deserialize, Serialize};

use crate::transport::JobKey;

/// Jobs that one job may wait for: their keys travel in it.
pub const MAX_DEPENDENCIES: usize = 5000;

/// The jobs that must end before this one may start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependencies {
    /// Which: `queue/id`.
    pub on: Vec<JobKey>,
    /// Which ends let it run.
    #[serde(default)]
    pub when: RunWhen,
}

/// Which ends of the jobs that it depends on let a job run. Otherwise it ends as cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunWhen {
    /// All have completed. The first that ends otherwise cancels the job.
    #[default]
    AllCompleted,
    /// All have ended, and at least one has completed (`allow_partial_dependencies`).
    AnyCompleted,
    /// All have ended, and at least one has not completed (`run_after_failure`).
    AnyFailed,
    /// All have ended, however.
    AllEnded,
}
