//! [`MemoryTransport`]: the state behind a lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use naq_core::clock::{SystemClock, Timer, Timestamp};
use naq_core::names::QueueName;
use naq_core::transport::{
    Awaiting, Consumer, Fact, JobKey, Producer, Receipt, Settler, Signal, Submission, Subscription,
    TransportError, Written,
};
use naq_core::wire::Nonce;
use tokio::sync::{Notify, broadcast};

use crate::state::{MAX_PAYLOAD, State};
use crate::subscription::MemorySubscription;

/// Signals that a slow listener may fall behind before it misses some.
const SIGNALS: usize = 1024;

/// A broker in memory. Cheap to clone; clones share what is stored, so that another worker can
/// subscribe to what an earlier one left behind.
#[derive(Clone)]
pub struct MemoryTransport {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    state: Mutex<State>,
    pub(crate) timer: Arc<dyn Timer>,
    /// Wakes whoever waits for a delivery.
    pub(crate) changed: Notify,
    /// Wakes whoever waits for a queue to be empty.
    pub(crate) settled: Notify,
    pub(crate) signals: broadcast::Sender<Signal>,
}

impl Shared {
    /// The state as it is now, and now.
    pub(crate) fn state(&self) -> (MutexGuard<'_, State>, Timestamp) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.timer.now();
        state.advance(now);
        (state, now)
    }
}

impl MemoryTransport {
    /// An empty broker on the machine's clock.
    pub fn new() -> Self {
        Self::with_timer(Arc::new(SystemClock))
    }

    /// An empty broker on this clock. With a manual clock, due times, leases and times to live
    /// come when the test says so.
    pub fn with_timer(timer: Arc<dyn Timer>) -> Self {
        let (signals, _) = broadcast::channel(SIGNALS);
        let state = Mutex::new(State::default());
        let (changed, settled) = (Notify::new(), Notify::new());
        Self { shared: Arc::new(Shared { state, timer, changed, settled, signals }) }
    }
}

impl Default for MemoryTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, now) = self.shared.state();
        let queues: Vec<_> = state.queues.keys().collect();
        f.debug_struct("MemoryTransport").field("now", &now).field("queues", &queues).finish()
    }
}

#[async_trait]
impl Producer for MemoryTransport {
    async fn publish(&self, job: Submission) -> Result<Receipt, TransportError> {
        let (mut state, now) = self.shared.state();
        let receipt = state.publish_noted(job, now);
        drop(state);
        self.shared.changed.notify_waiters();
        receipt
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let (mut state, now) = self.shared.state();
        let receipts = jobs.into_iter().map(|job| state.publish_noted(job, now)).collect();
        drop(state);
        self.shared.changed.notify_waiters();
        receipts
    }
}

#[async_trait]
impl Settler for MemoryTransport {
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError> {
        let (mut state, now) = self.shared.state();
        let written = state.write_noted(fact, now);
        drop(state);
        self.shared.changed.notify_waiters();
        written
    }

    async fn await_end(&self, key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError> {
        let (mut state, now) = self.shared.state();
        Ok(state.await_end(key, life, now))
    }

    fn max_payload(&self) -> usize {
        MAX_PAYLOAD
    }
}

#[async_trait]
impl Consumer for MemoryTransport {
    async fn subscribe(
        &self,
        queue: &QueueName,
        lease: Duration,
    ) -> Result<Box<dyn Subscription>, TransportError> {
        let (mut state, now) = self.shared.state();
        let open = state.queue(queue);
        let lease = *open.lease.get_or_insert(lease);
        let older_than = open.log.last_seq();
        drop(state);
        let (shared, queue) = (self.shared.clone(), queue.clone());
        Ok(Box::new(MemorySubscription {
            shared,
            queue,
            lease,
            older_than,
            owed: 0,
            owed_until: now,
        }))
    }
}
