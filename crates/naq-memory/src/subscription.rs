//! Fetches deliveries of one queue.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{AckHandle, Delivery, Stored, Subscription, TransportError};

use crate::ack_handle::MemoryAckHandle;
use crate::queue::FetchedMessage;
use crate::transport::SharedBroker;

pub(crate) struct MemorySubscription {
    pub(crate) shared: Arc<SharedBroker>,
    pub(crate) queue: QueueName,
    pub(crate) lease: Duration,
    /// The queue's last sequence when the subscription was opened. An earlier worker may have settled
    /// any message up to it.
    pub(crate) settled_until: u64,
    /// How many deliveries were requested and have not arrived.
    pub(crate) requested: usize,
    /// When the broker forgets the request.
    pub(crate) requested_until: Timestamp,
}

/// How long a request stays open if there are not enough messages, as a pull request in NATS does.
const PULL: Duration = Duration::from_secs(5);

impl MemorySubscription {
    /// The ready deliveries, and when the next one may be ready. A `max` of 0 requests no new ones.
    fn poll_queue(&mut self, max: usize) -> (Vec<Delivery>, Option<Timestamp>) {
        let (mut state, now) = self.shared.state();
        match max {
            0 if now >= self.requested_until => self.requested = 0,
            0 => {}
            _ => (self.requested, self.requested_until) = (max, now + PULL),
        }
        let queue = state.queue(&self.queue);
        let taken = queue.fetch(self.requested, now);
        let next_ready = queue.next_change().filter(|_| self.requested > 0);
        drop(state);
        self.requested -= taken.len();
        (taken.into_iter().map(|fetched| self.delivery(fetched)).collect(), next_ready)
    }

    fn delivery(&self, fetched: FetchedMessage) -> Delivery {
        let FetchedMessage { stored, delivered } = fetched;
        let old = stored.seq <= self.settled_until;
        Delivery {
            suspect: delivered > 1 || old || stored.message.is_suspect(),
            handle: handle_of(&self.shared, &stored),
            stored,
            delivered,
        }
    }
}

pub(crate) fn handle_of(shared: &Arc<SharedBroker>, stored: &Stored) -> Arc<dyn AckHandle> {
    Arc::new(MemoryAckHandle { shared: shared.clone(), stored: stored.clone() })
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let end = self.shared.timer.now() + wait;
        loop {
            let shared = self.shared.clone();
            let mut changed = pin!(shared.changed.notified());
            // From here on this future sees every notification.
            changed.as_mut().enable();
            let (taken, next_ready) = self.poll_queue(max);
            if !taken.is_empty() || self.shared.timer.now() >= end {
                return Ok(taken);
            }
            let wake = next_ready.map_or(end, |at| at.min(end));
            tokio::select! {
                () = changed => {}
                () = self.shared.timer.sleep_until(wake) => {}
            }
        }
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn limit(&self) -> Option<u64> {
        self.shared.state().0.queue(&self.queue).limit
    }

    async fn close(self: Box<Self>) -> Vec<Delivery> {
        Vec::new()
    }
}

impl fmt::Debug for MemorySubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySubscription")
            .field("queue", &self.queue)
            .field("lease", &self.lease)
            .finish_non_exhaustive()
    }
}
