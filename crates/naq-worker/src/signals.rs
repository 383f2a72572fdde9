//! An operator's word to all workers.

use std::sync::Arc;

use naq_core::transport::Signal;

use crate::engine::Engine;
use crate::held::{Held, StopReason};
use crate::outage::Outage;

/// Listens for as long as the worker lives.
pub(crate) async fn listen(engine: Arc<Engine>) {
    let mut outage = Outage::of("signals to workers");
    loop {
        match engine.transport.signals().await {
            Ok(mut signals) => {
                outage.over(engine.now());
                while let Some(signal) = signals.next().await {
                    obey(&engine, signal);
                }
                engine.sleep(crate::outage::backoff(1)).await;
            }
            Err(err) => engine.sleep(outage.failed(&err, engine.now())).await,
        }
    }
}

fn obey(engine: &Engine, signal: Signal) {
    let (queue, id, nonce) = match signal {
        Signal::Cancel { queue, id, nonce } => (queue, id, nonce),
        Signal::Drain { worker } if worker == engine.stage.worker && !engine.inner => {
            tracing::info!(%worker, "asked by an operator: stopping");
            engine.drained.cancel();
            return;
        }
        _ => return,
    };
    let meant =
        |held: &Held| nonce.as_ref().is_none_or(|n| *n == held.delivery.step().nonce.as_str());
    for queue in engine.queues.iter().filter(|q| q.name == queue) {
        for held in queue.held.find(&id).into_iter().filter(|held| meant(held)) {
            tracing::info!(job = %id, "cancelled by an operator");
            held.stop(StopReason::Cancelled);
        }
    }
}
