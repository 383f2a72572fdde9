//! [`WorkerRole`]: whose jobs a worker runs.

use std::time::Duration;

/// Whose jobs a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerRole {
    /// The jobs of applications.
    Main(HeartbeatTimes),
    /// NAQ's own jobs. This worker is a part of another worker.
    Chores,
}

/// When a worker renews its entry in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeartbeatTimes {
    /// The time between two heartbeats.
    pub(crate) interval: Duration,
    /// How long the entry stays without another heartbeat.
    pub(crate) ttl: Duration,
}

impl WorkerRole {
    /// Whether the worker is in the directory, so that operators see it and can drain it.
    pub(crate) fn is_listed(self) -> bool {
        self.heartbeat().is_some()
    }

    /// Whether metrics and statistics count the worker's jobs.
    pub(crate) fn counts_jobs(self) -> bool {
        self != Self::Chores
    }

    /// Whether pauses and breakers hold the worker's jobs back.
    pub(crate) fn can_be_paused(self) -> bool {
        self != Self::Chores
    }

    /// None for a worker that is not in the directory.
    pub(crate) fn heartbeat(self) -> Option<HeartbeatTimes> {
        match self {
            Self::Main(times) => Some(times),
            Self::Chores => None,
        }
    }
}
