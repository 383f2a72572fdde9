//! [`WorkerState`]: what the parts of a running worker share.

use std::sync::Arc;
use std::time::Duration;

use naq_core::retry::RetryPolicy;
use naq_core::transport::{Transport, TransportError};
use naq_core::{Timer, Timestamp};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    AttemptCounts, AttemptDeps, CancelledLately, FullStore, Health, SettleOutage, SettleRequest,
    WorkerQueue, WorkerRole,
};
use crate::crash::{ApartLine, RunBoard};
use crate::decide::{LargeResults, SettlePlanner};
use crate::delivery::HeldDelivery;
use crate::report::{Stats, WorkerMetrics};
use crate::slots::ReadyDeliveries;

/// The state of a running worker.
#[derive(Debug)]
pub(crate) struct WorkerState {
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
    pub(crate) ready: ReadyDeliveries,
    /// What other workers learn of the attempts that this worker runs.
    pub(crate) run_board: RunBoard,
    /// The jobs with crashes, which run apart from each other.
    pub(crate) apart_line: ApartLine,
    pub(crate) counts: AttemptCounts,
    pub(crate) health: Health,
    /// None for a chores worker.
    pub(crate) metrics: Option<WorkerMetrics>,
    /// None for a chores worker, and where statistics are turned off.
    pub(crate) stats: Option<Arc<Stats>>,
    pub(crate) settle_outage: SettleOutage,
    pub(crate) full_store: FullStore,
    pub(crate) cancelled_lately: CancelledLately,
    /// Set when an operator drains the worker.
    pub(crate) drain_requested: CancellationToken,
    /// Set when the worker begins to stop.
    pub(crate) stopping: CancellationToken,
    pub(crate) settle_requests: mpsc::UnboundedSender<SettleRequest>,
}

impl WorkerState {
    pub(crate) fn now(&self) -> Timestamp {
        self.timer.now()
    }

    pub(crate) async fn sleep(&self, wait: Duration) {
        self.timer.sleep_until(self.now() + wait).await;
    }

    pub(crate) fn queue_of(&self, held: &HeldDelivery) -> Option<Arc<WorkerQueue>> {
        let name = &held.delivery.stored.key.queue;
        self.queues.iter().find(|queue| queue.name == *name).cloned()
    }

    /// Stores the list of the attempts that this worker runs right now. Returns whether there are any.
    pub(crate) async fn store_run_list(&self) -> Result<bool, TransportError> {
        let held = self.queues.iter().flat_map(|queue| queue.held.all());
        let runs = held.filter_map(|held| held.listed_run()).collect();
        self.run_board.store(&*self.transport, runs, &*self.timer).await
    }

    pub(crate) fn settle_planner(&self) -> SettlePlanner<'_> {
        SettlePlanner {
            worker_id: &self.deps.worker_id,
            unknown_tasks: &self.unknown_tasks,
            tasks: &self.deps.tasks,
            redactor: &self.deps.redactor,
            now: self.now(),
        }
    }
}
