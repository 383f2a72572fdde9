//! [`WorkerQueue`]: one queue of a worker, and the deliveries of this queue that the worker holds.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use naq_core::clock::millis;
use naq_core::transport::Subscription;
use naq_core::{QueueName, Timestamp};
use tokio::sync::Notify;

use super::{LookList, Standstill};
use crate::delivery::HeldDeliveries;

/// One queue of a worker.
#[derive(Debug)]
pub(crate) struct WorkerQueue {
    /// Its position among the worker's queues, from 0.
    pub(crate) index: usize,
    pub(crate) name: QueueName,
    pub(crate) held: HeldDeliveries,
    lease_ms: AtomicU64,
    lease_changed: Notify,
    limited: AtomicBool,
    pub(crate) standstill: Standstill,
    pub(crate) looks: LookList,
}

impl WorkerQueue {
    pub(crate) fn new(index: usize, name: QueueName, lease: Duration) -> Self {
        Self {
            index,
            name,
            held: HeldDeliveries::default(),
            lease_ms: AtomicU64::new(millis(lease)),
            lease_changed: Notify::new(),
            limited: AtomicBool::new(false),
            standstill: Standstill::default(),
            looks: LookList::default(),
        }
    }

    /// The lease in force.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms.load(Ordering::Relaxed))
    }

    /// Whether this process may have held a delivery for longer than its lease without noticing.
    pub(crate) fn stood_still(&self, now: Timestamp) -> bool {
        self.standstill.is_recent(now, self.lease())
    }

    /// Takes over lease and limit, which an operator may have changed at the broker.
    pub(crate) fn take_over(&self, subscription: &dyn Subscription) {
        let lease = millis(subscription.lease());
        if self.lease_ms.swap(lease, Ordering::Relaxed) != lease {
            self.lease_changed.notify_one();
        }
        self.limited.store(subscription.limit().is_some(), Ordering::Relaxed);
    }

    /// Whether deliveries that wait here for a slot may keep other workers from running jobs.
    pub(crate) fn is_limited(&self) -> bool {
        self.limited.load(Ordering::Relaxed)
    }

    /// Returns when the lease in force has changed.
    pub(crate) async fn lease_changed(&self) {
        self.lease_changed.notified().await;
    }
}
