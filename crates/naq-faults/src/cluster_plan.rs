//! The faults of a cluster: what happens to its servers.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ledger::FaultKind;
use crate::settings::QUEUES;

/// What happens to the servers of a cluster. A queue is given by its place in [`QUEUES`]; its leader is
/// the server that leads its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClusterHarm {
    /// Sends SIGKILL to the leader of a queue.
    KillLeader {
        /// The queue.
        queue: usize,
        /// How long until the server is started again.
        down_ms: u64,
    },
    /// Sends SIGSTOP to the leader of a queue.
    PauseLeader {
        /// The queue.
        queue: usize,
        /// How long until SIGCONT.
        ms: u64,
    },
    /// Sends SIGSTOP to a server that does not lead a queue, so that its copies lag.
    PauseReplica {
        /// The queue.
        queue: usize,
        /// How long until SIGCONT.
        ms: u64,
    },
    /// Sends SIGKILL to the two servers that do not lead a queue.
    LoseQuorum {
        /// The queue.
        queue: usize,
        /// How long until the servers are started again.
        down_ms: u64,
    },
    /// Cuts the routes between the leader of a queue and the other servers.
    IsolateLeader {
        /// The queue.
        queue: usize,
        /// How long until they can be opened again.
        ms: u64,
    },
    /// Makes the leaders of a queue's stream and of its consumer step down.
    StepDown {
        /// The queue.
        queue: usize,
    },
    /// Restarts each server in turn with SIGTERM, as an upgrade does.
    RollServers,
}

impl ClusterHarm {
    /// The name of the fault in the ledgers.
    pub const fn kind(self) -> FaultKind {
        match self {
            Self::KillLeader { .. } => FaultKind::LeaderKilled,
            Self::PauseLeader { .. } => FaultKind::LeaderPaused,
            Self::PauseReplica { .. } => FaultKind::ReplicaPaused,
            Self::LoseQuorum { .. } => FaultKind::QuorumLost,
            Self::IsolateLeader { .. } => FaultKind::LeaderIsolated,
            Self::StepDown { .. } => FaultKind::LeaderSteppedDown,
            Self::RollServers => FaultKind::ServersRolled,
        }
    }

    /// The queue whose leader it is about; the first one for all servers.
    pub(crate) fn queue(self) -> &'static str {
        match self {
            Self::KillLeader { queue, .. }
            | Self::PauseLeader { queue, .. }
            | Self::PauseReplica { queue, .. }
            | Self::LoseQuorum { queue, .. }
            | Self::IsolateLeader { queue, .. }
            | Self::StepDown { queue } => QUEUES[queue % QUEUES.len()],
            Self::RollServers => QUEUES[0],
        }
    }
}

impl fmt::Display for ClusterHarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queue = self.queue();
        match self {
            Self::KillLeader { down_ms, .. } => {
                write!(f, "SIGKILL to the leader of {queue}, back in {down_ms} ms")
            }
            Self::PauseLeader { ms, .. } => {
                write!(f, "SIGSTOP to the leader of {queue} for {ms} ms")
            }
            Self::PauseReplica { ms, .. } => {
                write!(f, "SIGSTOP to a server that does not lead {queue} for {ms} ms")
            }
            Self::LoseQuorum { down_ms, .. } => {
                write!(f, "SIGKILL to all but the leader of {queue}, back in {down_ms} ms")
            }
            Self::IsolateLeader { ms, .. } => {
                write!(f, "the leader of {queue} is cut off from the others for {ms} ms")
            }
            Self::StepDown { .. } => write!(f, "the leaders of {queue} step down"),
            Self::RollServers => f.write_str("SIGTERM to each server in turn"),
        }
    }
}

/// The faults of the servers in one round, each kind once and the kill of a leader twice.
pub(crate) fn cluster_harms(rng: &mut fastrand::Rng) -> Vec<ClusterHarm> {
    let queue = |rng: &mut fastrand::Rng| rng.usize(..QUEUES.len());
    vec![
        ClusterHarm::KillLeader { queue: queue(rng), down_ms: rng.u64(500..15_000) },
        ClusterHarm::KillLeader { queue: queue(rng), down_ms: rng.u64(500..3_000) },
        // A follower begins an election after 4 to 9 seconds without its leader.
        ClusterHarm::PauseLeader { queue: queue(rng), ms: rng.u64(1_000..12_000) },
        ClusterHarm::PauseReplica { queue: queue(rng), ms: rng.u64(1_000..8_000) },
        ClusterHarm::LoseQuorum { queue: queue(rng), down_ms: rng.u64(1_000..12_000) },
        ClusterHarm::IsolateLeader { queue: queue(rng), ms: rng.u64(1_000..12_000) },
        ClusterHarm::StepDown { queue: queue(rng) },
        ClusterHarm::RollServers,
    ]
}
