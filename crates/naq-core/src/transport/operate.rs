//! [`Operator`]: the port that changes stored jobs and queues for an operator.

use std::fmt;
use std::num::NonZeroU64;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{QueueBound, StoreProbe, Stored, TransportError};
use crate::clock::Timestamp;
use crate::names::{JobId, JobKey, QueueName, WorkerId};

/// A message to all workers that are connected now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// The worker that runs this job must cancel its handler. The record of the job is already written.
    Cancel {
        /// The queue of the job.
        queue: QueueName,
        /// The id of the job.
        id: JobId,
        /// The nonce of the life. `None` for every life.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    },
    /// The worker with this id must stop gracefully, as on SIGTERM.
    Drain {
        /// The id of the worker.
        worker: WorkerId,
    },
}

/// The signals that arrive after this was opened.
#[async_trait]
pub trait Signals: Send + fmt::Debug {
    /// The next signal. `None` when the connection is closed for good.
    async fn next(&mut self) -> Option<Signal>;
}

/// Moves, removes and pauses jobs.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Removes this message. In a queue or a schedule it also removes older messages on the same
    /// subject. Of dead letters it removes only this one, because each letter can be requeued. Returns
    /// false if the message is already gone.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError>;

    /// Makes a waiting job due now, in one atomic step: the job starts exactly once, even if it comes due
    /// at the same time. Returns false if the job no longer waits, or is due within a second and comes
    /// by itself.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn release(&self, stored: &Stored) -> Result<bool, TransportError>;

    /// Moves a waiting job to another due time, in one atomic step: the job starts exactly once, and not
    /// before `due_at`, even if it comes due at the same time. Only the due time in the message changes.
    /// A time in the past makes the job due now.
    ///
    /// Returns false if the job no longer waits with the message `stored`, or is due within a second
    /// and comes by itself.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one the job may have been moved.
    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError>;

    /// Pauses the queue until this time: the broker delivers no job of it. Running jobs continue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn pause(&self, queue: &QueueName, until: Timestamp) -> Result<(), TransportError>;

    /// Ends the pause of the queue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn resume(&self, queue: &QueueName) -> Result<(), TransportError>;

    /// Sets how many jobs of the queue may run at once, over all workers. `None` for no limit. It takes
    /// effect at once, and jobs that already run beyond a lower limit continue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError>;

    /// Sets how many jobs and bytes the queue may store before it refuses new jobs. Other processes learn
    /// of it within a few seconds. This also removes the limits by which the broker would remove jobs.
    ///
    /// # Errors
    /// [`TransportError`]. `Rejected` if the transport has no bounds.
    async fn set_bound(&self, queue: &QueueName, bound: QueueBound) -> Result<(), TransportError> {
        Err(TransportError::Rejected {
            what: format!("bound the queue {queue} to {bound}"),
            reason: "this transport has no bounds".into(),
        })
    }

    /// Stores a small message in each stream that stores work, and removes it again: the stream of this
    /// queue, or of all queues, and the shared ones. Only that shows whether a stream stores. A transport
    /// that cannot do this returns nothing.
    ///
    /// # Errors
    /// [`TransportError`] if the queues cannot be listed. What a stream answers is no error.
    async fn probe_stores(
        &self,
        _queue: Option<&QueueName>,
    ) -> Result<Vec<StoreProbe>, TransportError> {
        Ok(Vec::new())
    }

    /// Removes every pending, running and waiting job of the queue, and returns how many.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn purge(&self, queue: &QueueName) -> Result<u64, TransportError>;

    /// Creates what the jobs of this queue and all queues together need, as far as it is missing. Programs
    /// create these things at their first use, too, if they have the right to. By default it does nothing:
    /// for a transport that needs no preparation.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn create_queue(&self, _queue: &QueueName) -> Result<(), TransportError> {
        Ok(())
    }

    /// Notes that the messages which the broker has of this job now are [removed](Self::remove) for good. Once
    /// they are gone, a worker that has one of them in hand [learns](super::Lookup::purged_at) that it must not
    /// start it; and if nothing is left of the job but its record, the next submission with this id is not refused
    /// because the broker remembers it. By default it does nothing: for a transport that remembers no ids.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn note_purge(&self, _key: &JobKey) -> Result<(), TransportError> {
        Ok(())
    }

    /// Sends `signal` to all connected workers.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn signal(&self, signal: &Signal) -> Result<(), TransportError>;

    /// Opens the signals for this process.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn signals(&self) -> Result<Box<dyn Signals>, TransportError>;
}
