//! [`MemoryTransport`]: the broker's state behind a lock.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use naq_core::clock::{SystemClock, Timer, Timestamp};
use naq_core::names::QueueName;
use naq_core::sync::lock;
use naq_core::transport::{
    Awaiting, BlobRef, Consumer, Delivery, Fact, JobKey, NO_TTL, Producer, Receipt, Settler,
    Signal, Stored, Submission, Subscription, TransportError, Written,
};
use naq_core::wire::Nonce;
use tokio::sync::{Notify, broadcast};

use crate::broker_state::{BrokerState, MAX_PAYLOAD};
use crate::subscription::{MemorySubscription, handle_of};

/// How many signals a slow listener may be behind. Beyond that it misses the oldest ones.
const SIGNALS: usize = 1024;

/// A broker in memory. It is cheap to clone, and all clones share the same messages: a second
/// worker can take over the jobs that a first worker has not finished.
#[derive(Clone)]
pub struct MemoryTransport {
    pub(crate) shared: Arc<SharedBroker>,
}

pub(crate) struct SharedBroker {
    state: Mutex<BrokerState>,
    pub(crate) timer: Arc<dyn Timer>,
    /// Notifies subscriptions and watches that something was stored or is due.
    pub(crate) changed: Notify,
    /// Notifies [`MemoryTransport::until`] that a job has left a queue.
    pub(crate) settled: Notify,
    pub(crate) signals: broadcast::Sender<Signal>,
}

impl SharedBroker {
    /// The locked state, moved forward to the current time, and that time.
    pub(crate) fn state(&self) -> (MutexGuard<'_, BrokerState>, Timestamp) {
        let mut state = lock(&self.state);
        let now = self.timer.now();
        state.advance(now);
        (state, now)
    }
}

impl MemoryTransport {
    /// An empty broker that uses the system clock.
    pub fn new() -> Self {
        Self::with_timer(Arc::new(SystemClock))
    }

    /// An empty broker that uses this clock. With a manual clock the test decides when jobs are due
    /// and when leases and TTLs end.
    pub fn with_timer(timer: Arc<dyn Timer>) -> Self {
        let (signals, _) = broadcast::channel(SIGNALS);
        let state = Mutex::new(BrokerState::default());
        let (changed, settled) = (Notify::new(), Notify::new());
        Self { shared: Arc::new(SharedBroker { state, timer, changed, settled, signals }) }
    }

    /// Loses track of the jobs of a queue that workers hold, as a NATS server can. They stay in the
    /// queue, and are not delivered again until a worker stores them again. For tests.
    pub fn forget_running(&self, queue: &QueueName) {
        self.shared.state().0.queue(queue).forget();
    }

    /// Removes a queue with all its jobs and makes it again, as an operator of a NATS server can. The new
    /// queue gives the same sequences again, while workers still hold jobs of the old one. For tests.
    pub fn recreate_queue(&self, queue: &QueueName) {
        let (mut state, _) = self.shared.state();
        let queue = state.queue(queue);
        *queue = queue.made_again();
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
        let receipt = state.publish_and_log(job, now);
        drop(state);
        self.shared.changed.notify_waiters();
        receipt
    }

    async fn publish_many(&self, jobs: Vec<Submission>) -> Vec<Result<Receipt, TransportError>> {
        let (mut state, now) = self.shared.state();
        let receipts = jobs.into_iter().map(|job| state.publish_and_log(job, now)).collect();
        drop(state);
        self.shared.changed.notify_waiters();
        receipts
    }

    async fn replace(&self, waiting: &Stored, job: Submission) -> Result<bool, TransportError> {
        let due_at = job.due_at.unwrap_or_else(|| self.shared.state().1);
        self.replace_waiting(waiting, job.message, due_at)
    }

    async fn publish_with_args(
        &self,
        job: Submission,
        blob: &BlobRef,
        args: Bytes,
    ) -> Result<Receipt, TransportError> {
        blob.check_size()?;
        let (mut state, now) = self.shared.state();
        let key = job.key.clone();
        let receipt = state.publish_and_log(job, now)?;
        // Under the same lock, so that no reader can tell which came first.
        state.blobs.put(&key, blob, args, now, NO_TTL);
        drop(state);
        self.shared.changed.notify_waiters();
        Ok(receipt)
    }
}

#[async_trait]
impl Settler for MemoryTransport {
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError> {
        let (mut state, now) = self.shared.state();
        let written = state.write_and_log(fact, now);
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
        let memory_queue = state.queue(queue);
        let lease = *memory_queue.lease.get_or_insert(lease);
        let settled_until = memory_queue.log.last_seq();
        drop(state);
        Ok(Box::new(MemorySubscription {
            shared: self.shared.clone(),
            queue: queue.clone(),
            lease,
            settled_until,
            requested: 0,
            requested_until: now,
        }))
    }

    async fn has_job(&self, queue: &QueueName) -> Result<bool, TransportError> {
        let (state, now) = self.shared.state();
        let Some(queue) = state.queues.get(queue) else { return Ok(false) };
        let (pending, running, _) = queue.counts();
        let paused = queue.paused_until.is_some_and(|until| now < until);
        Ok(pending > 0 && !paused && queue.limit.is_none_or(|limit| running < limit))
    }

    async fn forgotten(&self, queue: &QueueName) -> Result<Vec<Delivery>, TransportError> {
        let (mut state, _) = self.shared.state();
        let found = state.queue(queue).forgotten().cloned();
        Ok(found
            .map(|stored| Delivery {
                handle: handle_of(&self.shared, &stored),
                stored,
                delivered: 1,
                suspect: true,
            })
            .collect())
    }
}
