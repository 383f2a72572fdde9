//! [`Directory`]: the port to the list of workers, which each worker renews with its heartbeats.

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
    /// It is connected and does not fetch yet.
    Starting,
    /// It fetches, and runs no job at the moment.
    Idle,
    /// It runs jobs.
    Busy,
    /// It drains: it finishes running jobs and fetches no more.
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

/// What a worker says about itself with each heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its id, unique among live workers.
    pub worker_id: WorkerId,
    /// What it is doing.
    pub status: WorkerStatus,
    /// The queues from which it fetches jobs.
    pub queues: Vec<QueueName>,
    /// The number of its slots.
    pub concurrency: u32,
    /// The number of slots in use.
    pub running: u32,
    /// The name of its machine.
    pub hostname: String,
    /// The id of its process.
    pub pid: u32,
    /// Its version of NAQ.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it sent this, by its own clock. [`Directory::workers`] returns the time at which the broker
    /// stored it instead, because the clock of a worker may be wrong.
    pub heartbeat_at: Timestamp,
    /// How many attempts it has finished since it started.
    #[serde(default)]
    pub finished: u64,
    /// How many of those attempts failed.
    #[serde(default)]
    pub failed: u64,
    /// Those of its queues from which it takes only signed jobs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signed: Vec<QueueName>,
}

/// The list of live workers.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Writes or renews the entry of a worker. It vanishes if it is not renewed within `ttl`.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn heartbeat(&self, worker: &WorkerInfo, ttl: Duration) -> Result<(), TransportError>;

    /// Removes the entry of a worker that has stopped.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn leave(&self, worker: &WorkerId) -> Result<(), TransportError>;

    /// All live workers, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn workers(&self) -> Result<Vec<WorkerInfo>, TransportError>;
}
