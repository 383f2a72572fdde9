//! Signals of operators to all workers: cancel a job, drain a worker.

use std::sync::Arc;

use naq_core::transport::Signal;

use crate::delivery::{HeldDelivery, StopReason};
use crate::engine::WorkerState;
use crate::outage::{Outage, backoff};

/// Listens for as long as the worker lives.
pub(super) async fn handle_signals(worker: Arc<WorkerState>) {
    let mut outage = Outage::new("signals to workers");
    loop {
        match worker.transport.signals().await {
            Ok(mut signals) => {
                outage.recovered(worker.now());
                while let Some(signal) = signals.next().await {
                    handle_signal(&worker, signal);
                }
                worker.sleep(backoff(1)).await;
            }
            Err(err) => worker.sleep(outage.failed(&err, worker.now())).await,
        }
    }
}

fn handle_signal(worker: &WorkerState, signal: Signal) {
    let (queue, id, nonce) = match signal {
        Signal::Cancel { queue, id, nonce } => (queue, id, nonce),
        Signal::Drain { worker: id } if id == worker.deps.worker_id && worker.role.is_listed() => {
            tracing::info!(worker = %id, "an operator drains this worker: stopping");
            worker.drain_requested.cancel();
            return;
        }
        _ => return,
    };
    let same_life = |held: &HeldDelivery| {
        nonce.as_ref().is_none_or(|n| *n == held.delivery.step().nonce.as_str())
    };
    for queue in worker.queues.iter().filter(|q| q.name == queue) {
        // First, so that a delivery which arrives right now is found in one of the two.
        if let Some(nonce) = &nonce {
            worker.cancelled_lately.add(id.clone(), nonce.clone(), worker.now());
        }
        for held in queue.held.find(&id).into_iter().filter(|held| same_life(held)) {
            tracing::info!(job = %id, "an operator cancelled the job");
            held.request_stop(StopReason::Cancelled);
        }
    }
}
