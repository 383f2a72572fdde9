//! Who works: a directory that workers keep themselves in, and drop out of when they fall silent.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::{QueueName, WorkerId};

/// What a worker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WorkerStatus {
    /// Connected, not yet fetching.
    Starting,
    /// Fetching; no job at the moment.
    Idle,
    /// Running jobs.
    Busy,
    /// Finishing what runs, fetching nothing more.
    Stopping,
}

impl fmt::Display for WorkerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Stopping => "stopping",
        })
    }
}

/// A worker, as it describes itself with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its id, unique among those alive.
    pub worker_id: WorkerId,
    /// What it is doing.
    pub status: WorkerStatus,
    /// The queues that it takes jobs from.
    pub queues: Vec<QueueName>,
    /// Its slots.
    pub concurrency: u32,
    /// Slots in use.
    pub running: u32,
    /// Its machine.
    pub hostname: String,
    /// Its process.
    pub pid: u32,
    /// The version of NAQ that it runs.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last said so; in what [`Directory::workers`] returns, when the broker heard it. The
    /// worker's own clock may be wrong, or the worker a liar.
    pub heartbeat_at: Timestamp,
    /// Attempts that it has finished since it started.
    #[serde(default)]
    pub finished: u64,
    /// Of those, failed ones.
    #[serde(default)]
    pub failed: u64,
}

/// Keeps the directory.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Enters or renews an entry, which vanishes when it is not renewed within `ttl`.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError>;

    /// Removes an entry: the worker has stopped.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError>;

    /// Those who are there, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError>;
}
