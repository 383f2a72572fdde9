//! [`Health`]: whether a worker takes jobs right now, for whoever asks from outside.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use naq_core::QueueName;
use naq_core::transport::Transport;

const STARTING: u8 = 0;
const WORKING: u8 = 1;
const DRAINING: u8 = 2;
const STOPPED: u8 = 3;

/// Whether a [`Worker`](crate::Worker) takes jobs right now. Cheap to clone and to ask: no broker is
/// involved. For the readiness probe of an orchestrator, say.
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
pub struct Health(Arc<State>);

#[derive(Debug)]
struct State {
    transport: Arc<dyn Transport>,
    phase: AtomicU8,
    /// Queues that could not be opened or asked the last time.
    stuck: Mutex<BTreeSet<QueueName>>,
}

/// Why a worker takes no jobs right now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// It has not opened its queues yet.
    #[error("starting: its queues are not open yet")]
    Starting,
    /// There is no connection to the broker; it is connected to again as soon as it is there.
    #[error("not connected to the broker")]
    Disconnected,
    /// The broker does not hand out jobs of this queue; the worker goes on asking.
    #[error("queue {0} cannot be fetched from")]
    Stuck(QueueName),
    /// It was asked to stop, and finishes what runs.
    #[error("draining")]
    Draining,
    /// It has stopped.
    #[error("stopped")]
    Stopped,
}

impl Health {
    pub(crate) fn new(transport: Arc<dyn Transport>) -> Self {
        let (phase, stuck) = (AtomicU8::new(STARTING), Mutex::default());
        Self(Arc::new(State { transport, phase, stuck }))
    }

    /// Whether it takes jobs: it is connected, fetches from every queue, and does not drain.
    ///
    /// # Errors
    /// [`NotReady`], with the reason.
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
        self.stuck().first().map_or(Ok(()), |queue| Err(NotReady::Stuck(queue.clone())))
    }

    /// Whether there is a connection to the broker.
    pub fn is_connected(&self) -> bool {
        self.0.transport.is_connected()
    }

    /// It runs, until what is returned is dropped.
    pub(crate) fn run(&self) -> Run {
        Run(self.clone())
    }

    pub(crate) fn working(&self) {
        self.0.phase.store(WORKING, Ordering::Relaxed);
    }

    pub(crate) fn draining(&self) {
        self.0.phase.store(DRAINING, Ordering::Relaxed);
    }

    /// The queue answers.
    pub(crate) fn flows(&self, queue: &QueueName) {
        self.stuck().remove(queue);
    }

    /// The queue does not answer.
    pub(crate) fn stuck_at(&self, queue: &QueueName) {
        self.stuck().insert(queue.clone());
    }

    fn stuck(&self) -> MutexGuard<'_, BTreeSet<QueueName>> {
        self.0.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A worker that runs: stopped whatever becomes of its future.
pub(crate) struct Run(Health);

impl Drop for Run {
    fn drop(&mut self) {
        self.0.0.phase.store(STOPPED, Ordering::Relaxed);
    }
}
