//! [`Held`]: a delivery from the moment it arrives until it is settled.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use naq_core::transport::{AckHandle, Delivery};
use naq_core::{JobId, Timestamp};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::kept::Kept;
use crate::trace::Trace;

/// Why an attempt must stop; a later one outweighs an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StopReason {
    /// The worker stops, and the grace period is over.
    Shutdown = 1,
    /// An operator cancelled the job; its record is written already.
    Cancelled = 2,
    /// The lease ran out unrenewed: somebody else may run the job by now.
    LeaseLost = 3,
}

/// Not yet checked for having been settled before.
const SUSPECT: u8 = 0;
const WAITING: u8 = 1;
const RUNNING: u8 = 2;
const SETTLING: u8 = 3;

/// How long the check of a suspect is good for.
const CHECK_HOLDS: Duration = Duration::from_millis(50);

/// One delivery in this worker's hands.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) delivery: Delivery,
    pub(crate) received_at: Timestamp,
    pub(crate) cancel: CancellationToken,
    newest: Mutex<Arc<dyn AckHandle>>,
    renewed_at: AtomicU64,
    stop: AtomicU8,
    stage: AtomicU8,
    checked_at: AtomicU64,
    started_at: AtomicU64,
    /// What its handler keeps with the broker.
    pub(crate) kept: Kept,
    pub(crate) trace: Trace,
}

impl Held {
    pub(crate) fn new(delivery: Delivery, now: Timestamp) -> Self {
        let stage = if delivery.suspect { SUSPECT } else { WAITING };
        Self {
            newest: Mutex::new(delivery.handle.clone()),
            delivery,
            received_at: now,
            cancel: CancellationToken::new(),
            renewed_at: AtomicU64::new(now.as_millis()),
            stop: AtomicU8::new(0),
            stage: AtomicU8::new(stage),
            checked_at: AtomicU64::new(0),
            started_at: AtomicU64::new(0),
            kept: Kept::default(),
            trace: Default::default(),
        }
    }

    pub(crate) fn id(&self) -> &JobId {
        &self.delivery.stored.key.id
    }

    /// The handle of the newest delivery of this message.
    pub(crate) fn handle(&self) -> Arc<dyn AckHandle> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The broker handed the same message to us again: its lease runs anew.
    fn adopt(&self, again: &Delivery, now: Timestamp) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = again.handle.clone();
        self.renewed(now);
    }

    /// Also when that is earlier than before: then the clock was set back.
    pub(crate) fn renewed(&self, at: Timestamp) {
        self.renewed_at.store(at.as_millis(), Ordering::Relaxed);
    }

    fn renewed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.renewed_at.load(Ordering::Relaxed))
    }

    /// Whether the lease was renewed so long ago, or nobody can say when.
    pub(crate) fn is_due(&self, now: Timestamp, age: Duration) -> bool {
        now < self.renewed_at() || now.since(self.renewed_at()) >= age
    }

    /// The clock was set forward.
    pub(crate) fn clock_moved(&self, by: Duration) {
        self.renewed(self.renewed_at() + by);
    }

    /// When a lease of this length ends if nothing renews it.
    pub(crate) fn lease_end(&self, lease: Duration) -> Timestamp {
        self.renewed_at() + lease
    }

    /// Tells the handler to stop.
    pub(crate) fn stop(&self, reason: StopReason) {
        self.stop.fetch_max(reason as u8, Ordering::AcqRel);
        self.cancel.cancel();
    }

    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        match self.stop.load(Ordering::Acquire) {
            1 => Some(StopReason::Shutdown),
            2 => Some(StopReason::Cancelled),
            3 => Some(StopReason::LeaseLost),
            _ => None,
        }
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.stop_reason() == Some(StopReason::LeaseLost)
    }

    /// It was checked, and is to run.
    pub(crate) fn clear(&self, now: Timestamp) {
        self.checked_at.store(now.as_millis(), Ordering::Relaxed);
        self.step_from(SUSPECT, WAITING);
    }

    /// Whether it was a suspect, and has waited for a slot since it was checked: whoever had it
    /// before may have settled it meanwhile.
    pub(crate) fn is_suspect_again(&self, now: Timestamp) -> bool {
        let checked = Timestamp::from_millis(self.checked_at.load(Ordering::Relaxed));
        self.delivery.suspect && now.since(checked) > CHECK_HOLDS
    }

    /// Whether it may have been settled before. Such a one must not even be given back: it would
    /// come to life again.
    pub(crate) fn is_suspect(&self) -> bool {
        self.stage.load(Ordering::Acquire) == SUSPECT
    }

    /// Takes it into a slot. False when it was given back meanwhile.
    pub(crate) fn start(&self) -> bool {
        self.step_from(WAITING, RUNNING)
    }

    /// Its handler begins.
    pub(crate) fn begin(&self, now: Timestamp) {
        self.started_at.store(now.as_millis(), Ordering::Relaxed);
    }

    /// When its handler began, if it has.
    pub(crate) fn started_at(&self) -> Option<Timestamp> {
        match self.started_at.load(Ordering::Relaxed) {
            0 => None,
            at => Some(Timestamp::from_millis(at)),
        }
    }

    /// Claims the right to settle it, from whoever waits for a slot.
    pub(crate) fn claim_waiting(&self) -> bool {
        self.step_from(WAITING, SETTLING)
    }

    /// Claims the right to settle it. Only the first claim succeeds, so that a handler that comes
    /// back after its job was given back settles nothing.
    pub(crate) fn claim(&self) -> bool {
        self.stage.swap(SETTLING, Ordering::AcqRel) != SETTLING
    }

    fn step_from(&self, from: u8, to: u8) -> bool {
        self.stage.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

/// Who waits for the number of held jobs to fall is told at every multiple of this, and so at zero.
const TOLD_EVERY: usize = 64;

/// What this worker holds of one queue, by sequence.
#[derive(Debug, Default)]
pub(crate) struct HeldJobs {
    by_seq: Mutex<HashMap<u64, Arc<Held>>>,
    changed: Notify,
}

impl HeldJobs {
    /// Keeps the delivery. None when its message is held already: then its handle is adopted, and
    /// there is nothing more to do.
    pub(crate) fn insert(&self, delivery: Delivery, now: Timestamp) -> Option<Arc<Held>> {
        let mut by_seq = self.lock();
        let seq = delivery.stored.seq;
        if let Some(held) = by_seq.get(&seq)
            && !held.is_lost()
        {
            held.adopt(&delivery, now);
            return None;
        }
        let held = Arc::new(Held::new(delivery, now));
        by_seq.insert(seq, held.clone());
        Some(held)
    }

    pub(crate) fn remove(&self, held: &Arc<Held>) {
        let mut by_seq = self.lock();
        let seq = held.delivery.stored.seq;
        // After a lost lease the same message may be held anew.
        if by_seq.get(&seq).is_some_and(|found| Arc::ptr_eq(found, held)) {
            by_seq.remove(&seq);
        }
        let left = by_seq.len();
        drop(by_seq);
        if left.is_multiple_of(TOLD_EVERY) {
            self.changed.notify_waiters();
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Held>> {
        self.lock().values().cloned().collect()
    }

    pub(crate) fn find(&self, id: &JobId) -> Vec<Arc<Held>> {
        self.lock().values().filter(|held| held.id() == id).cloned().collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns once nothing is held.
    pub(crate) async fn empty(&self) {
        self.below(1).await;
    }

    /// Returns once fewer than `limit` are held, or a few less than that.
    pub(crate) async fn below(&self, limit: usize) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.len() < limit {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Held>>> {
        self.by_seq.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use naq_client::Client;
    use naq_core::QueueName;
    use naq_core::transport::Consumer;
    use naq_memory::MemoryTransport;

    use super::*;

    #[tokio::test]
    async fn a_clock_that_is_set_back_makes_a_renewal_due_and_not_the_lease_longer() {
        let (transport, lease) = (MemoryTransport::new(), Duration::from_secs(10));
        let subscribed = transport.subscribe(&QueueName::default(), lease).await;
        let mut deliveries = subscribed.expect("opens");
        let client = Client::new(Arc::new(transport));
        client.enqueue_task("t", &()).expect("a name").await.expect("sent");
        let delivery = deliveries.fetch(1, lease).await.expect("fetches").remove(0);
        let now = Timestamp::from_millis(1_000_000);
        let held = Held::new(delivery, now);
        assert!(!held.is_due(now, lease) && held.is_due(now + lease, lease));
        let set_back = now.saturating_sub(Duration::from_secs(600));
        assert!(held.is_due(set_back, lease));
        held.renewed(set_back);
        assert_eq!(held.lease_end(lease), set_back + lease);
        assert!(!held.is_due(set_back, lease));
    }
}
