//! Fetch and hold deliveries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{Stored, TransportError};
use crate::names::QueueName;
use crate::wire::{DecodeError, Envelope, Step};

/// A job in this process's hands, to be settled before its lease ends.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message; its place is the queue.
    pub stored: Stored,
    /// How often the broker has handed it out, this time included: 1 at first.
    pub delivered: u32,
    /// Whether it may have been settled already: it was handed out before, or was stored before
    /// this process (re)connected. A suspect is checked for evidence before it runs.
    pub suspect: bool,
    /// How to keep and how to drop it.
    pub handle: Arc<dyn AckHandle>,
}

impl Delivery {
    /// The job, its crash count including the deaths that this delivery tells of: every delivery
    /// before this one ended without being settled.
    ///
    /// # Errors
    /// [`DecodeError`] when the body is no job.
    pub fn envelope(&self) -> Result<Envelope, DecodeError> {
        let mut envelope = self.stored.envelope()?;
        envelope.crashes = envelope.crashes.saturating_add(self.delivered.saturating_sub(1));
        Ok(envelope)
    }

    /// Where its life stands.
    pub fn step(&self) -> Step {
        self.stored.step()
    }
}

/// The two things to do with a delivery. There is no negative ack: it would count as a death.
#[async_trait]
pub trait AckHandle: Send + Sync + fmt::Debug {
    /// Drops the message: its job has gone on elsewhere. Sent, not confirmed; a lost ack brings the
    /// message back as a suspect.
    ///
    /// # Errors
    /// [`TransportError`] when it could not even be sent.
    async fn ack(&self) -> Result<(), TransportError>;

    /// Keeps the delivery for another lease, counted from now. Sent, not confirmed.
    ///
    /// # Errors
    /// [`TransportError`] when it could not even be sent.
    async fn renew(&self) -> Result<(), TransportError>;
}

/// Deliveries of one queue.
#[async_trait]
pub trait Subscription: Send + fmt::Debug {
    /// Waits up to `wait` for deliveries and returns what is there, at most `max`; an empty list
    /// after `wait`. Returns as soon as there is one, it does not wait for `max`. The broker is
    /// never asked for more than `max` beyond what was returned, so nothing ages in a buffer.
    ///
    /// What the broker was asked for may still come for a while after the call: such a delivery is
    /// out, and its lease runs. Whoever wants no more for now calls with a `max` of 0, which asks for
    /// nothing, and returns all that has arrived as soon as there is any; an empty list after `wait`.
    ///
    /// Cancel safe: what has arrived when the future is dropped is returned by the next call.
    ///
    /// # Errors
    /// [`TransportError`]. Transient ones heal by calling again; the subscription rebuilds itself.
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError>;

    /// The lease in force at the broker, which may be an older one than was asked for.
    fn lease(&self) -> Duration;

    /// How many deliveries of the queue all workers may hold together, as far as is known; none for
    /// no limit. What is held and does not run keeps others from running.
    fn limit(&self) -> Option<u64> {
        None
    }

    /// Stops asking, and returns what had arrived and was never fetched, to be given back.
    async fn close(self: Box<Self>) -> Vec<Delivery>;
}

/// Hands out jobs.
#[async_trait]
pub trait Consumer: Send + Sync + 'static {
    /// Opens a queue, creating it if need be and allowed. `lease` is how long a delivery is held
    /// without renewal, for a queue that does not exist yet.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError>;
}
