//! The check of suspect deliveries before they run: was this one settled already, and its ack lost?

use std::sync::Arc;

use naq_core::transport::{StaleReason, Unfinished, stale};

use crate::conclude::Conclusion;
use crate::engine::{Engine, Queue};
use crate::held::Held;
use crate::outage::Outage;

/// Those among `suspects` that are to run. The others are settled. One look-up for all.
pub(crate) async fn innocent(
    engine: &Engine,
    queue: &Arc<Queue>,
    mut suspects: Vec<Arc<Held>>,
    outage: &mut Outage,
) -> Vec<Arc<Held>> {
    let evidence = loop {
        // Without an answer nothing may run, and what is lost meanwhile may not run at all.
        let (lost, kept) = suspects.into_iter().partition::<Vec<_>, _>(|held| held.is_lost());
        lost.into_iter().for_each(|held| engine.settle(queue, held, Conclusion::LetGo));
        suspects = kept;
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
    let mut innocent = Vec::with_capacity(suspects.len());
    for (held, evidence) in suspects.into_iter().zip(evidence) {
        let delivery = &held.delivery;
        match stale(&delivery.step(), delivery.stored.seq, &evidence) {
            None => {
                held.clear(engine.now());
                innocent.push(held);
            }
            Some(reason) => {
                tracing::info!(job = %held.id(), "delivered again, not run: {reason}");
                match reason {
                    StaleReason::Ended | StaleReason::Died => {
                        let left = Unfinished::of(&delivery.step().nonce, &evidence);
                        // A death may lack the job that follows it.
                        let nothing = left.is_nothing() && reason == StaleReason::Ended;
                        let next = if nothing { Conclusion::Drop } else { Conclusion::Finish };
                        engine.settle_ended(queue, held, next);
                    }
                    _ => engine.settle(queue, held, Conclusion::Drop),
                }
            }
        }
    }
    innocent
}
