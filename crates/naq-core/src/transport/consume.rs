//! [`Consumer`]: the port that fetches deliveries, and [`Delivery`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Stored, TransportError};
use crate::names::QueueName;
use crate::wire::{DecodeError, Envelope, Step};

/// A message that the broker has delivered to this process. It must be settled before its lease ends.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message, in [`Place::Queue`](super::Place::Queue).
    pub stored: Stored,
    /// How often the broker has delivered it, with this time. The first time it is 1.
    pub delivered: u32,
    /// Whether it may have been settled before, because it was delivered before, or was stored before
    /// the broker last started. The worker looks for evidence before it runs a suspect.
    pub suspect: bool,
    /// Renews the lease and acks the message.
    pub handle: Arc<dyn AckHandle>,
}

impl Delivery {
    /// Reads the job. Its number of crashes is the one that the message says: that the broker delivered
    /// the message before is no evidence of a crash (see [`run_evidence`](crate::flow::run_evidence)).
    ///
    /// # Errors
    /// [`DecodeError`] if the body is not a job.
    pub fn envelope(&self) -> Result<Envelope, DecodeError> {
        self.stored.envelope()
    }

    /// The step of the job.
    pub fn step(&self) -> Step {
        self.stored.step()
    }
}

/// Renews or acks one delivery. There is no negative ack, because it would count as a crash.
#[async_trait]
pub trait AckHandle: Send + Sync + fmt::Debug {
    /// Tells the broker to drop the message. It is sent without waiting for an answer. If it is lost, the
    /// message comes back as a suspect.
    ///
    /// # Errors
    /// [`TransportError`] if it could not be sent.
    async fn ack(&self) -> Result<(), TransportError>;

    /// Renews the lease, which starts again now. It is sent without waiting for an answer.
    ///
    /// # Errors
    /// [`TransportError`] if it could not be sent.
    async fn renew(&self) -> Result<(), TransportError>;

    /// Whether the connection and the consumer are known to be the same since the delivery arrived. If
    /// not, another worker may have got the message and settled it: the worker looks for evidence before
    /// it runs the job. It sends no request.
    fn is_current(&self) -> bool {
        true
    }
}

/// An open queue, from which a worker fetches deliveries.
#[async_trait]
pub trait Subscription: Send + fmt::Debug {
    /// Waits for deliveries and returns at most `max` of them. It returns as soon as there is one, or
    /// with an empty list after `wait`. It never asks the broker for more than `max` deliveries that are
    /// not returned yet, so that none waits in a buffer while its lease runs.
    ///
    /// A delivery may arrive after a call that asked for it has returned, and then its lease runs. To
    /// get such deliveries without asking for more, call this with a `max` of 0. That returns all that
    /// have arrived as soon as there is one, or an empty list after `wait`.
    ///
    /// Cancel safe: if the future is dropped, the next call returns the deliveries that have arrived.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one call this again; the subscription reopens itself.
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError>;

    /// The lease of the queue at the broker. It may differ from the one given to
    /// [`Consumer::subscribe`], if the queue existed before.
    fn lease(&self) -> Duration;

    /// How many deliveries of the queue all workers may hold together. `None` for no limit, or if it is
    /// not known. A held delivery that does not run keeps another job from running.
    fn limit(&self) -> Option<u64> {
        None
    }

    /// Closes the subscription and returns the deliveries that have arrived and were not fetched. The
    /// caller must give them back.
    async fn close(self: Box<Self>) -> Vec<Delivery>;
}

/// Opens queues.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Opens a queue. Creates it with this `lease` if it does not exist and the user may do that.
    ///
    /// # Errors
    /// [`TransportError`], for example [`TransportError::NoQueue`] if it may not be created.
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError>;

    /// Whether the broker would deliver a job of this queue now: one is pending, the queue is not paused,
    /// and its limit has room. A worker whose queues have weights or priorities asks this while a queue
    /// takes long to answer, since a slow answer looks like an empty queue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn has_job(&self, queue: &QueueName) -> Result<bool, TransportError>;

    /// Jobs in the queue that the broker will not deliver, because its consumer has lost track of
    /// them. The oldest come first, and not all at once. All are suspects, and have no lease. The
    /// worker stores each again, and acks the one that is returned here.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn forgotten(&self, _queue: &QueueName) -> Result<Vec<Delivery>, TransportError> {
        Ok(Vec::new())
    }
}
