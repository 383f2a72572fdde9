//! [`Producer`]: the port that enqueues jobs.

use async_trait::async_trait;

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::{JobKey, QueueName};
use crate::wire::WireMessage;

/// A job to be stored in a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The job.
    pub key: JobKey,
    /// When it is due, by the broker's clock. `None` for at once.
    pub due_at: Option<Timestamp>,
    /// The deduplication key. The broker stores submissions with the same key once within its window.
    pub dedup: String,
    /// Whether the broker refuses it if the queue has a job with this id, however old. The check costs a
    /// look-up, so it is used only if the user chose the id.
    pub unique: bool,
    /// Headers and body.
    pub message: WireMessage,
}

/// The answer of the broker to a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    /// The job is stored, with this sequence.
    Stored(u64),
    /// A job with this id is stored already. Nothing was added.
    Duplicate,
}

/// Stores jobs in queues.
#[async_trait]
pub trait Producer: Send + Sync + 'static {
    /// Stores one job and returns when the broker has stored it. Creates the queue if there is none.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one the same submission can be sent again.
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError>;

    /// Stores many jobs, with many requests at once. The answers are in the order of the jobs.
    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>>;

    /// Compares the broker's clock with the clock of this process, unless that was done lately.
    /// [`broker_now`](super::Lookup::broker_now) then answers with the broker's time. A producer calls it
    /// before it turns a span, such as a delay, into a time. Like [`publish`](Self::publish) it may
    /// create the queue. If the broker does not answer, the last known difference stays.
    async fn compare_clocks(&self, _queue: &QueueName) {}
}
