//! Checks suspects before they run: was this delivery settled already, and its ack lost?

use std::sync::Arc;

use naq_core::transport::{Evidence, StaleReason, Unfinished, stale};

use crate::decide::Settlement;
use crate::delivery::HeldJob;
use crate::engine::{Engine, WorkerQueue};
use crate::outage::Outage;

/// The suspects that may run. The others are settled. One request for all.
pub(crate) async fn cleared(
    engine: &Engine,
    queue: &Arc<WorkerQueue>,
    mut suspects: Vec<Arc<HeldJob>>,
    outage: &mut Outage,
) -> Vec<Arc<HeldJob>> {
    let evidence = loop {
        // Nothing runs without an answer. A suspect whose lease is lost meanwhile does not run at all.
        let (lost, rest) = suspects.into_iter().partition::<Vec<_>, _>(|held| held.is_lost());
        lost.into_iter().for_each(|held| engine.settle(queue, held, Settlement::Abandon));
        suspects = rest;
        if suspects.is_empty() {
            return suspects;
        }
        let keys: Vec<_> = suspects.iter().map(|s| s.delivery.stored.key.clone()).collect();
        match engine.transport.evidence(&keys).await {
            Ok(evidence) => break evidence,
            Err(err) => engine.sleep(outage.failed(&err, engine.now())).await,
        }
    };
    outage.over(engine.now());
    let mut cleared = Vec::with_capacity(suspects.len());
    for (held, evidence) in suspects.into_iter().zip(evidence) {
        let delivery = &held.delivery;
        match stale(&delivery.step(), delivery.stored.seq, &evidence) {
            None => {
                held.clear(engine.now());
                cleared.push(held);
            }
            Some(reason) => {
                tracing::info!(job = %held.id(), "delivered again, not run: {reason}");
                settle_stale(engine, queue, held, reason, &evidence);
            }
        }
    }
    cleared
}

fn settle_stale(
    engine: &Engine,
    queue: &Arc<WorkerQueue>,
    held: Arc<HeldJob>,
    reason: StaleReason,
    evidence: &[Evidence],
) {
    match reason {
        StaleReason::Ended | StaleReason::Died => {
            let unfinished = Unfinished::of(&held.delivery.step().nonce, evidence);
            // A dead job may lack its follow-up, which leaves no evidence.
            let finished = unfinished.is_nothing() && reason == StaleReason::Ended;
            let settlement = if finished { Settlement::Ack } else { Settlement::FinishEnd };
            engine.settle_ended(queue, held, settlement);
        }
        StaleReason::Waiting | StaleReason::Superseded => {
            engine.settle(queue, held, Settlement::Ack);
        }
    }
}
