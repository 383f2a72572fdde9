//! Change what is stored, on an operator's behalf.

use std::fmt;
use std::num::NonZeroU64;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{Stored, TransportError};
use crate::clock::Timestamp;
use crate::names::{JobId, QueueName, WorkerId};

/// A word to all workers, heard by those that are connected now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Signal {
    /// Whoever runs this job: cancel its handler. Its record is written already.
    Cancel {
        /// The job's queue.
        queue: QueueName,
        /// The job.
        id: JobId,
        /// Which life of it; every one when none is named.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonce: Option<String>,
    },
    /// The worker of this id: stop gracefully, as on SIGTERM.
    Drain {
        /// Which one.
        worker: WorkerId,
    },
}

/// The signals that arrive from now on.
#[async_trait]
pub trait Signals: Send + fmt::Debug {
    /// The next one; none once the connection is closed for good.
    async fn next(&mut self) -> Option<Signal>;
}

/// Moves, removes, pauses.
#[async_trait]
pub trait Operator: Send + Sync + 'static {
    /// Removes this message, in a queue or a schedule with older ones on its subject; of dead
    /// letters exactly this one, since a letter of an earlier life is a job of its own. False when it
    /// is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn remove(&self, stored: &Stored) -> Result<bool, TransportError>;

    /// Makes a waiting job due now, in one step: it starts exactly once, also when this races the
    /// broker's own timer. False when it is no longer waiting, or so near its time, a second at
    /// most, that it is left to come by itself.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn release(&self, stored: &Stored) -> Result<bool, TransportError>;

    /// Moves a waiting job to another due time, in one step: it starts exactly once, also when this
    /// races the broker's own timer, and not before `due_at` if it was moved. What it carries stays,
    /// but for the time that it says it was due. A time that is past makes it due now.
    ///
    /// False when it is no longer waiting as `stored` says, or so near its time, a second at most,
    /// that it is left to come by itself.
    ///
    /// # Errors
    /// [`TransportError`]; after a transient one it may have been moved.
    async fn reschedule(&self, stored: &Stored, due_at: Timestamp) -> Result<bool, TransportError>;

    /// Hands out no job of the queue until then. What runs goes on.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn pause(&self, queue: &QueueName, until: Timestamp) -> Result<(), TransportError>;

    /// Hands out jobs again.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn resume(&self, queue: &QueueName) -> Result<(), TransportError>;

    /// Hands out no more than so many jobs of the queue at once, to all workers together; none for no
    /// limit. In force at once: what runs beyond a lower limit goes on.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn set_limit(
        &self,
        queue: &QueueName,
        limit: Option<NonZeroU64>,
    ) -> Result<(), TransportError>;

    /// Removes every pending, running and waiting job of the queue; says how many.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn purge(&self, queue: &QueueName) -> Result<u64, TransportError>;

    /// Sends `signal` to all workers.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn signal(&self, signal: &Signal) -> Result<(), TransportError>;

    /// Listens to signals.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn signals(&self) -> Result<Box<dyn Signals>, TransportError>;
}
