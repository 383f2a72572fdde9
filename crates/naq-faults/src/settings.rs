//! The size of a run, and one of its jobs.

use serde::{Deserialize, Serialize};

use crate::script::{DelayPattern, Script};

/// The size of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunSettings {
    /// Jobs to enqueue.
    pub jobs: u32,
    /// Worker processes.
    pub workers: u32,
    /// The servers of the broker: 1, or 3 for a cluster.
    #[serde(default = "one")]
    pub servers: u32,
    /// How long jobs are enqueued and faults happen, in milliseconds. After that the run drains.
    pub duration_ms: u64,
}

/// A job of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedJob {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// When it is sent, in milliseconds from the start.
    pub send_at_ms: u64,
    /// The delay before its first attempt, in milliseconds; zero for none.
    pub delay_ms: u64,
    /// What its handler does.
    pub script: Script,
    /// The delays between its attempts.
    pub pace: DelayPattern,
}

/// The approximate length of a round. Faults happen in its first three quarters. In the last
/// quarter all workers are restarted as in a deployment, and there are no faults, so that each
/// round has jobs with exact counts.
const ROUND_MS: u64 = 30_000;
/// The same on a cluster, where the servers need up to 20 seconds after each fault.
const CLUSTER_ROUND_MS: u64 = 150_000;
/// How many quarters of a round have faults.
pub(crate) const HARM_QUARTERS: u64 = 3;

/// The queues of a run.
pub const QUEUES: [&str; 2] = ["faults-a", "faults-b"];

fn one() -> u32 {
    1
}

impl RunSettings {
    /// A run that is short enough for a test: one round.
    pub const SHORT: Self = Self { jobs: 5_000, workers: 4, servers: 1, duration_ms: ROUND_MS };

    /// The number of rounds, and the length of each.
    pub(crate) fn rounds(&self) -> (u64, u64) {
        let round_ms = if self.servers == 1 { ROUND_MS } else { CLUSTER_ROUND_MS };
        let rounds = (self.duration_ms / round_ms).max(1);
        (rounds, self.duration_ms / rounds)
    }

    /// Whether faults may happen from `at_ms` on for `for_ms`.
    pub(crate) fn is_harmful(&self, at_ms: u64, for_ms: u64) -> bool {
        let (_, round) = self.rounds();
        at_ms % round + for_ms < round * HARM_QUARTERS / 4
    }
}
