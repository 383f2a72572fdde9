//! [`Health`]: whether a worker takes jobs right now.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use naq_core::QueueName;
use naq_core::sync::lock;
use naq_core::transport::Transport;

const STARTING: u8 = 0;
const WORKING: u8 = 1;
const DRAINING: u8 = 2;
const STOPPED: u8 = 3;

/// Whether a [`Worker`](crate::Worker) takes jobs right now, for example for the readiness probe of
/// an orchestrator. Cheap to clone and to ask: it sends no request.
///
/// ```
/// # use std::sync::Arc;
/// # use naq_client::Client;
/// # use naq_memory::MemoryTransport;
/// # use naq_worker::{NotReady, Registry, Worker};
/// # let client = Client::new(Arc::new(MemoryTransport::new()));
/// let worker = Worker::builder(client, Registry::new()).build();
/// let health = worker.health();
/// assert_eq!(health.check(), Err(NotReady::Starting));
/// ```
#[derive(Debug, Clone)]
pub struct Health(Arc<HealthState>);

#[derive(Debug)]
struct HealthState {
    transport: Arc<dyn Transport>,
    phase: AtomicU8,
    /// Queues that the worker could not open, or not fetch from, when it last tried.
    stuck_queues: Mutex<BTreeSet<QueueName>>,
    /// No job starts, because the outcomes of others cannot be stored.
    waits_for_settlements: AtomicBool,
}

/// Why a worker takes no jobs right now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// The worker has not opened its queues yet.
    #[error("starting: its queues are not open yet")]
    Starting,
    /// There is no connection to the broker. The worker reconnects as soon as the broker is there.
    #[error("not connected to the broker")]
    Disconnected,
    /// The broker does not deliver jobs of this queue. The worker tries again.
    #[error("jobs of queue {0} cannot be fetched")]
    Stuck(QueueName),
    /// The broker does not store the outcomes of jobs that have ended. No other job starts until it does.
    #[error("the outcomes of jobs cannot be stored")]
    Unsettled,
    /// The worker was asked to stop, and finishes the jobs that run.
    #[error("draining")]
    Draining,
    /// The worker has stopped.
    #[error("stopped")]
    Stopped,
}

impl Health {
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Self {
        let phase = AtomicU8::new(STARTING);
        Self(Arc::new(HealthState {
            transport,
            phase,
            stuck_queues: Mutex::default(),
            waits_for_settlements: AtomicBool::new(false),
        }))
    }

    /// Whether the worker takes jobs: it is connected, fetches from every queue, can store outcomes,
    /// and does not drain.
    ///
    /// # Errors
    /// [`NotReady`]: the reason why it does not.
    pub fn check(&self) -> Result<(), NotReady> {
        match self.0.phase.load(Ordering::Relaxed) {
            STARTING => return Err(NotReady::Starting),
            WORKING => {}
            DRAINING => return Err(NotReady::Draining),
            _ => return Err(NotReady::Stopped),
        }
        if !self.is_connected() {
            return Err(NotReady::Disconnected);
        }
        if self.0.waits_for_settlements.load(Ordering::Relaxed) {
            return Err(NotReady::Unsettled);
        }
        lock(&self.0.stuck_queues)
            .first()
            .map_or(Ok(()), |queue| Err(NotReady::Stuck(queue.clone())))
    }

    /// Whether this process can work, or will reconnect by itself. False while the client of the broker has
    /// ended and no new one is connected.
    pub fn is_alive(&self) -> bool {
        self.0.transport.is_alive()
    }

    /// Whether there is a connection to the broker.
    pub fn is_connected(&self) -> bool {
        self.0.transport.is_connected()
    }

    /// The worker runs until the guard is dropped.
    pub(crate) fn start_run(&self) -> RunningGuard {
        RunningGuard(self.clone())
    }

    pub(crate) fn set_working(&self) {
        self.0.phase.store(WORKING, Ordering::Relaxed);
    }

    pub(crate) fn set_draining(&self) {
        self.0.phase.store(DRAINING, Ordering::Relaxed);
    }

    pub(crate) fn set_waits_for_settlements(&self, waits: bool) {
        self.0.waits_for_settlements.store(waits, Ordering::Relaxed);
    }

    /// The queue answers.
    pub(crate) fn queue_ok(&self, queue: &QueueName) {
        lock(&self.0.stuck_queues).remove(queue);
    }

    /// The queue does not answer.
    pub(crate) fn queue_stuck(&self, queue: &QueueName) {
        lock(&self.0.stuck_queues).insert(queue.clone());
    }
}

/// Exists while the worker runs. Its drop marks the worker as stopped, also when the future of the
/// run is dropped.
#[derive(Debug)]
pub(crate) struct RunningGuard(Health);

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.0.phase.store(STOPPED, Ordering::Relaxed);
    }
}
