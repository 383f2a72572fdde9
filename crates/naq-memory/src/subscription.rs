//! Waiting for deliveries.

use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{Delivery, Subscription, TransportError};

use crate::handle::MemoryHandle;
use crate::queue::Handed;
use crate::transport::Shared;

pub(crate) struct MemorySubscription {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: QueueName,
    pub(crate) lease: Duration,
    /// The last sequence when this was opened: up to here a message may have been settled by a
    /// worker before us.
    pub(crate) older_than: u64,
    /// What was asked for and has not come.
    pub(crate) owed: usize,
    pub(crate) owed_until: Timestamp,
}

/// How long a fetch that found too little goes on asking, as a pull at a NATS server does.
const PULL: Duration = Duration::from_secs(5);

impl MemorySubscription {
    /// What is there, and when it is worth looking again. With a `max` of 0 only what is owed.
    fn look(&mut self, max: usize) -> (Vec<Delivery>, Option<Timestamp>) {
        let (mut state, now) = self.shared.state();
        match max {
            0 if now >= self.owed_until => self.owed = 0,
            0 => {}
            _ => (self.owed, self.owed_until) = (max, now + PULL),
        }
        let queue = state.queue(&self.queue);
        let taken = queue.take(self.owed, now);
        let again = queue.next_change().filter(|_| self.owed > 0);
        drop(state);
        self.owed -= taken.len();
        (taken.into_iter().map(|handed| self.delivery(handed)).collect(), again)
    }

    fn delivery(&self, handed: Handed) -> Delivery {
        let Handed { stored, delivered } = handed;
        let handle = MemoryHandle {
            shared: self.shared.clone(),
            queue: self.queue.clone(),
            seq: stored.seq,
        };
        Delivery {
            suspect: delivered > 1 || stored.seq <= self.older_than,
            stored,
            delivered,
            handle: Arc::new(handle),
        }
    }
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let end = self.shared.timer.now() + wait;
        loop {
            let shared = self.shared.clone();
            let mut changed = pin!(shared.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let (taken, again) = self.look(max);
            if !taken.is_empty() || self.shared.timer.now() >= end {
                return Ok(taken);
            }
            let wake = again.map_or(end, |again| again.min(end));
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
