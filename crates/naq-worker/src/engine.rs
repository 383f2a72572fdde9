//! [`Engine`]: what the parts of a running worker share.

mod attempt_counts;
mod attempt_deps;
mod count;
mod health;
mod pending_observation;
mod role;
mod send;
mod settle_outage;
mod settle_request;
mod worker_queue;

use std::sync::Arc;
use std::time::Duration;

use naq_core::retry::RetryPolicy;
use naq_core::transport::Transport;
use naq_core::{Timer, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::decide::{Decider, LargeResults};
use crate::delivery::HeldJob;
use crate::report::{Meters, Stats};
use crate::slots::Ready;

pub(crate) use self::attempt_counts::AttemptCounts;
pub(crate) use self::attempt_deps::AttemptDeps;
pub use self::health::{Health, NotReady};
pub(crate) use self::pending_observation::PendingObservation;
pub(crate) use self::role::{HeartbeatTimes, WorkerRole};
pub(crate) use self::settle_outage::SettleOutage;
pub(crate) use self::settle_request::SettleRequest;
pub(crate) use self::worker_queue::WorkerQueue;

/// The state of a running worker.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) timer: Arc<dyn Timer>,
    pub(crate) deps: AttemptDeps,
    pub(crate) queues: Vec<Arc<WorkerQueue>>,
    /// The number of slots.
    pub(crate) concurrency: usize,
    pub(crate) role: WorkerRole,
    /// The lease for queues that this worker creates.
    pub(crate) lease: Duration,
    /// How long a task may stay unknown.
    pub(crate) unknown_tasks: RetryPolicy,
    pub(crate) large_results: LargeResults,
    pub(crate) ready: Ready,
    pub(crate) counts: AttemptCounts,
    pub(crate) health: Health,
    /// None for a chores worker.
    pub(crate) meters: Option<Meters>,
    /// None for a chores worker, and where statistics are turned off.
    pub(crate) stats: Option<Arc<Stats>>,
    pub(crate) settle_outage: SettleOutage,
    /// Set when an operator drains the worker.
    pub(crate) drain_asked: CancellationToken,
    /// Set when the worker begins to stop.
    pub(crate) stopping: CancellationToken,
    pub(crate) settle_requests: mpsc::UnboundedSender<SettleRequest>,
}

impl Engine {
    pub(crate) fn now(&self) -> Timestamp {
        self.timer.now()
    }

    pub(crate) async fn sleep(&self, wait: Duration) {
        self.timer.sleep_until(self.now() + wait).await;
    }

    pub(crate) fn queue_of(&self, held: &HeldJob) -> Option<Arc<WorkerQueue>> {
        let name = &held.delivery.stored.key.queue;
        self.queues.iter().find(|queue| queue.name == *name).cloned()
    }

    pub(crate) fn decider(&self) -> Decider<'_> {
        Decider {
            worker: &self.deps.worker,
            unknown_tasks: &self.unknown_tasks,
            tasks: &self.deps.tasks,
            redactor: &self.deps.redactor,
            now: self.now(),
        }
    }
}
