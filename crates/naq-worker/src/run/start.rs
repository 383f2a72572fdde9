//! From settings to an [`WorkerState`], and the queues that it opens.

use std::sync::Arc;

use naq_core::WorkerId;
use naq_core::transport::Subscription;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::exit::WorkerError;
use super::settings::Settings;
use crate::crash::{ApartLine, RunBoard};
use crate::engine::{
    AttemptCounts, AttemptDeps, CancelledLately, FullStore, Health, SettleOutage, SettleRequest,
    Signatures, WorkerQueue, WorkerState,
};
use crate::gates::{
    BreakerGate, BudgetGate, DependsGate, Gate, Gates, LimitGate, PauseGate, UniqueGate,
};
use crate::report::WorkerMetrics;
use crate::slots::ReadyDeliveries;

pub(super) fn worker_state(
    settings: Settings,
    id: WorkerId,
    health: Health,
    settle_requests: mpsc::UnboundedSender<SettleRequest>,
) -> WorkerState {
    let gates = gates(&settings, &id);
    let (sharing, weights) = settings.sharing();
    let ready = ReadyDeliveries::new(settings.concurrency, sharing, weights);
    let counted = settings.role.counts_jobs();
    let tasks: Vec<_> = settings.tasks.names().cloned().collect();
    let metrics =
        counted.then(|| WorkerMetrics::new(&settings.queues, &tasks, settings.concurrency));
    let run_board = RunBoard::new(id.clone(), settings.queues.clone(), settings.lease);
    let queues = settings.queues.into_iter().enumerate();
    let queues = queues.map(|(index, name)| WorkerQueue::new(index, name, settings.lease));
    WorkerState {
        transport: settings.client.transport().clone(),
        timer: settings.timer.clone(),
        queues: queues.map(Arc::new).collect(),
        concurrency: settings.concurrency,
        role: settings.role,
        lease: settings.lease,
        unknown_tasks: settings.unknown_tasks,
        large_results: settings.large_results,
        ready,
        run_board,
        apart_line: ApartLine::default(),
        counts: AttemptCounts::default(),
        health,
        metrics,
        stats: (settings.stats && counted).then(Default::default),
        settle_outage: SettleOutage::new(),
        full_store: FullStore::default(),
        cancelled_lately: CancelledLately::default(),
        drain_requested: CancellationToken::new(),
        stopping: CancellationToken::new(),
        settle_requests,
        deps: AttemptDeps {
            worker_id: id,
            slots: settings.concurrency,
            signatures: Signatures {
                required: settings.signed_queues,
                trusted: settings.client.known_keys().clone(),
            },
            client: settings.client,
            timer: settings.timer,
            tasks: settings.tasks,
            gates,
            redactor: settings.redactor,
        },
    }
}

/// The gates, in the order in which a job passes them.
fn gates(settings: &Settings, id: &WorkerId) -> Gates {
    let Settings { client, timer, tasks, lease, .. } = settings;
    let queues = settings.retry_budgets.iter().map(|(queue, budget)| (queue, *budget));
    let budgets = tasks.retry_budgets();
    let breaker = || BreakerGate::new(client.clone(), timer.clone(), tasks, *lease);
    let transport = || client.transport().clone();
    let mut gates: Vec<Arc<dyn Gate>> = vec![Arc::new(DependsGate::new(client.clone()))];
    if settings.role.can_be_paused() {
        gates.push(Arc::new(PauseGate::new(client.clone(), timer.clone())));
        gates.push(Arc::new(breaker()));
    }
    gates.push(Arc::new(LimitGate::new(transport(), timer.clone(), id.clone(), *lease)));
    gates.push(Arc::new(BudgetGate::new(transport(), timer.clone(), budgets, queues)));
    gates.push(Arc::new(UniqueGate::new(client.clone())));
    Gates::new(gates)
}

/// Opens every queue before it fetches from the first: if the broker refuses one, nothing was
/// delivered yet. None for a queue whose broker is away.
pub(super) async fn open_queues(
    worker: &WorkerState,
) -> Result<Vec<Option<Box<dyn Subscription>>>, WorkerError> {
    let mut opened = Vec::with_capacity(worker.queues.len());
    for queue in &worker.queues {
        opened.push(open(worker, queue).await?);
    }
    Ok(opened)
}

/// A broker that is away is waited for later. One that refuses the queue is an error now.
async fn open(
    worker: &WorkerState,
    queue: &WorkerQueue,
) -> Result<Option<Box<dyn Subscription>>, WorkerError> {
    // Before the first job, whose deadline may have passed by one clock and not by the other.
    worker.transport.compare_clocks(&queue.name).await;
    match worker.transport.subscribe(&queue.name, worker.lease).await {
        Ok(subscription) => {
            queue.take_over(&*subscription);
            Ok(Some(subscription))
        }
        Err(err) if err.is_transient() => Ok(None),
        Err(source) => Err(WorkerError::Queue { queue: queue.name.clone(), source }),
    }
}
