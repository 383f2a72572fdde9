//! [`WorkerRole`]: whose jobs a worker runs.

use std::time::Duration;

/// Whose jobs a worker runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerRole {
    /// The jobs of applications. Such a worker is in the directory, and operators can drain it.
    Jobs(HeartbeatTimes),
    /// NAQ's own jobs. This worker is a part of another one: it is not in the directory, is not
    /// counted, and no pause and no breaker stops it.
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
    pub(crate) fn is_chores(self) -> bool {
        self == Self::Chores
    }

    /// None for a worker that is not in the directory.
    pub(crate) fn heartbeat(self) -> Option<HeartbeatTimes> {
        match self {
            Self::Jobs(times) => Some(times),
            Self::Chores => None,
        }
    }
}
