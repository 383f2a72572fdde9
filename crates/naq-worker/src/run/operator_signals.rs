//! Signals of operators to all workers: cancel a job, drain a worker.

use std::sync::Arc;

use naq_core::transport::Signal;

use crate::delivery::{HeldJob, StopReason};
use crate::engine::Engine;
use crate::outage::{Outage, backoff};

/// Listens for as long as the worker lives.
pub(super) async fn listen(engine: Arc<Engine>) {
    let mut outage = Outage::of("signals to workers");
    loop {
        match engine.transport.signals().await {
            Ok(mut signals) => {
                outage.over(engine.now());
                while let Some(signal) = signals.next().await {
                    obey(&engine, signal);
                }
                engine.sleep(backoff(1)).await;
            }
            Err(err) => engine.sleep(outage.failed(&err, engine.now())).await,
        }
    }
}

fn obey(engine: &Engine, signal: Signal) {
    let (queue, id, nonce) = match signal {
        Signal::Cancel { queue, id, nonce } => (queue, id, nonce),
        Signal::Drain { worker } if worker == engine.deps.worker && !engine.role.is_chores() => {
            tracing::info!(%worker, "an operator drains this worker: stopping");
            engine.drain_asked.cancel();
            return;
        }
        _ => return,
    };
    let same_life =
        |held: &HeldJob| nonce.as_ref().is_none_or(|n| *n == held.delivery.step().nonce.as_str());
    for queue in engine.queues.iter().filter(|q| q.name == queue) {
        for held in queue.held.find(&id).into_iter().filter(|held| same_life(held)) {
            tracing::info!(job = %id, "an operator cancelled the job");
            held.stop(StopReason::Cancelled);
        }
    }
}
