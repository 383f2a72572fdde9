//! [`HeldDeliveries`]: the deliveries of one queue that this worker holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use naq_core::sync::lock;
use naq_core::transport::Delivery;
use naq_core::{JobId, Timestamp};
use tokio::sync::Notify;

use super::HeldDelivery;
use super::message_id::MessageId;

/// Calls of [`HeldDeliveries::wait_below`] are woken when the number of held deliveries is a
/// multiple of this, 0 included.
const WAKE_EVERY: usize = 64;

/// The deliveries of one queue that this worker holds, by message.
#[derive(Debug, Default)]
pub(crate) struct HeldDeliveries {
    by_message: Mutex<HashMap<MessageId, Arc<HeldDelivery>>>,
    changed: Notify,
}

impl HeldDeliveries {
    /// Holds the delivery. If this worker holds its message already, takes over only the new handle
    /// and returns None.
    pub(crate) fn insert(&self, delivery: Delivery, now: Timestamp) -> Option<Arc<HeldDelivery>> {
        let mut by_message = lock(&self.by_message);
        let message = MessageId::of(&delivery.stored);
        if let Some(held) = by_message.get(&message)
            && !held.is_lease_lost()
        {
            held.adopt_handle(&delivery, now);
            return None;
        }
        let held = Arc::new(HeldDelivery::new(delivery, now));
        by_message.insert(message, held.clone());
        Some(held)
    }

    pub(crate) fn remove(&self, held: &Arc<HeldDelivery>) {
        let mut by_message = lock(&self.by_message);
        let message = MessageId::of(&held.delivery.stored);
        // After a lost lease another delivery of the message may be held.
        if by_message.get(&message).is_some_and(|found| Arc::ptr_eq(found, held)) {
            by_message.remove(&message);
        }
        let left = by_message.len();
        drop(by_message);
        if left.is_multiple_of(WAKE_EVERY) {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<HeldDelivery>> {
        lock(&self.by_message).values().cloned().collect()
    }

    pub(crate) fn find(&self, id: &JobId) -> Vec<Arc<HeldDelivery>> {
        lock(&self.by_message).values().filter(|held| held.job_id() == id).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.by_message).len()
    }

    /// Returns once nothing is held.
    pub(crate) async fn wait_empty(&self) {
        self.wait_below(1).await;
    }

    /// Returns once fewer than `limit` are held. It may return a little later than that.
    pub(crate) async fn wait_below(&self, limit: usize) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.len() < limit {
                return;
            }
            changed.await;
        }
    }
}
