//! [`Progress`]: how far a schedule has come.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{JobKey, QueueName};

/// How far a schedule has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Every tick up to and with this moment is decided.
    pub decided_until: Timestamp,
    /// Runs that ticks have made so far.
    #[serde(default)]
    pub runs: u64,
    /// Ticks that made none: too late, or in the way of another run.
    #[serde(default)]
    pub skipped: u64,
    /// The last run that a tick has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
    /// The tick whose run waits until the last one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Timestamp>,
    /// Queues that its runs went to before it was changed. Whoever was at a turn then may have made
    /// a run there that is not written down; the next turn looks there, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former_queues: Vec<QueueName>,
}

/// A run that a tick has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The job.
    pub job: JobKey,
    /// The tick.
    pub tick: Timestamp,
}

impl Progress {
    /// That of a schedule made at this moment: a tick at this very moment is still to come.
    pub fn new(now: Timestamp) -> Self {
        let decided_until = Timestamp::from_millis(now.as_millis().saturating_sub(1));
        let former_queues = Vec::new();
        Self { decided_until, runs: 0, skipped: 0, last: None, waiting: None, former_queues }
    }

    /// Goes on from this moment: ticks before it are none of ours.
    pub fn forget_until(&mut self, now: Timestamp) {
        self.decided_until = self.decided_until.max(Self::new(now).decided_until);
    }

    /// Runs went to the queue `from` until now.
    pub fn moved_from(&mut self, from: &QueueName) {
        if !self.former_queues.contains(from) {
            self.former_queues.push(from.clone());
        }
    }
}
