//! Enqueue.

use async_trait::async_trait;

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::wire::WireMessage;

/// A job on its way into a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// Which job.
    pub key: JobKey,
    /// When it is due; none for at once.
    pub due_at: Option<Timestamp>,
    /// What makes a repeated submission the same one: stored once within the broker's window.
    pub dedup: String,
    /// Refuse it while the queue holds a job of this id, however old. Costs the broker a look-up,
    /// so it is asked for only where the id came from the user.
    pub unique: bool,
    /// Headers and body.
    pub message: WireMessage,
}

/// What became of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// Stored, with this sequence.
    Stored(u64),
    /// A job of this id is there already; nothing was added.
    Duplicate,
}

/// Puts jobs into queues.
#[async_trait]
pub trait Producer: Send + Sync + 'static {
    /// Stores one job, creating its queue if need be. Returns once the broker has it.
    ///
    /// # Errors
    /// [`TransportError`]; after a timeout the same submission can be sent again.
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError>;

    /// Stores many, with many under way at once. Answers in the order of the jobs.
    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>>;
}
