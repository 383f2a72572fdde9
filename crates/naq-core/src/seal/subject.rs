//! [`Subject`]: what an encrypted value is, and whose. It is bound to that.

use crate::names::{JobId, QueueName, ScheduleName, TaskName};
use crate::wire::ByteList;

/// The first line of what an encrypted value is bound to.
const FIRST_LINE: &str = "naq-seal-1\n";

/// What an encrypted value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SealKind {
    /// The arguments of a job.
    Args,
    /// The result of a job.
    Result,
    /// What a handler saved for the next attempt.
    Checkpoint,
    /// The text of a handler's progress.
    Progress,
    /// The message of an error.
    Error,
}

impl SealKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Args => "args",
            Self::Result => "result",
            Self::Checkpoint => "checkpoint",
            Self::Progress => "progress",
            Self::Error => "error",
        }
    }
}

/// Whose value it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// That of this job.
    Job(&'a JobId),
    /// That of every run of this schedule.
    Schedule(&'a ScheduleName),
}

/// What an encrypted value is bound to. Under any other subject it cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What it is.
    pub kind: SealKind,
    /// The queue of the job.
    pub queue: &'a QueueName,
    /// Whose it is.
    pub owner: Owner<'a>,
    /// The task of the job.
    pub task: &'a TaskName,
}

impl Subject<'_> {
    /// The associated data of the cipher.
    pub(super) fn bytes(&self, key: &str) -> Vec<u8> {
        let mut bytes = ByteList::new(FIRST_LINE, 256);
        bytes.put("key", key);
        bytes.put("kind", self.kind.as_str());
        bytes.put("queue", self.queue.as_str());
        match self.owner {
            Owner::Job(id) => bytes.put("id", id.as_str()),
            Owner::Schedule(name) => bytes.put("schedule", name.as_str()),
        }
        bytes.put("task", self.task.as_str());
        bytes.finish()
    }
}
