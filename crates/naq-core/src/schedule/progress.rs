//! [`Progress`]: how far a schedule is.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names::{JobKey, QueueName};

/// How far a schedule is: which ticks are decided, and which runs they have made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Every tick up to and including this time is decided.
    pub decided_until: Timestamp,
    /// How many runs ticks have made.
    #[serde(default)]
    pub runs: u64,
    /// How many ticks made no run, because they were missed or another run had not ended.
    #[serde(default)]
    pub skipped: u64,
    /// The last run that a tick has made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
    /// The tick whose run waits until the last one has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Timestamp>,
    /// The queues of its runs before an operator changed the schedule. A worker that took a turn at that
    /// time may have made a run there and not stored it in the progress. So the next turn also searches
    /// these queues.
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
    /// The progress of a schedule that is created at this time. A tick at exactly this time is not
    /// decided.
    pub fn new(now: Timestamp) -> Self {
        let decided_until = Timestamp::from_millis(now.as_millis().saturating_sub(1));
        let former_queues = Vec::new();
        Self { decided_until, runs: 0, skipped: 0, last: None, waiting: None, former_queues }
    }

    /// Skips all ticks before this time that are not decided.
    pub fn forget_until(&mut self, now: Timestamp) {
        self.decided_until = self.decided_until.max(Self::new(now).decided_until);
    }

    /// Remembers that runs went to the queue `from` until now.
    pub fn moved_from(&mut self, from: &QueueName) {
        if !self.former_queues.contains(from) {
            self.former_queues.push(from.clone());
        }
    }
}
