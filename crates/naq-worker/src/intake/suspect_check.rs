//! Checks suspects before they run: was this delivery settled already, and its ack lost?

use std::collections::HashMap;
use std::sync::Arc;

use naq_core::Timestamp;
use naq_core::transport::{Evidence, JobKey, Place, StaleReason, Unfinished, stale};

use crate::decide::Settlement;
use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};
use crate::outage::Outage;

/// The suspects that are not settled yet. The others are settled here. One request for all. The caller
/// passes those that may run.
pub(crate) async fn keep_unsettled(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    mut suspects: Vec<Arc<HeldDelivery>>,
    outage: &mut Outage,
) -> Vec<Arc<HeldDelivery>> {
    let (evidence, asked_at) = loop {
        // Nothing runs without an answer. A suspect whose lease is lost meanwhile does not run at
        // all.
        let (lost, rest) = suspects.into_iter().partition::<Vec<_>, _>(|held| held.is_lease_lost());
        lost.into_iter().for_each(|held| worker.settle(queue, held, Settlement::Abandon));
        suspects = rest;
        if suspects.is_empty() {
            return suspects;
        }
        let asked_at = worker.now();
        let keys: Vec<_> = suspects.iter().map(|s| s.delivery.stored.key.clone()).collect();
        match worker.transport.evidence(&keys).await {
            Ok(evidence) => break (evidence, asked_at),
            Err(err) => worker.sleep(outage.failed(&err, worker.now())).await,
        }
    };
    outage.recovered(worker.now());
    let gone = suspects.iter().zip(&evidence).filter(|(held, found)| is_gone(held, found));
    let gone: Vec<_> = gone.map(|(held, _)| held.delivery.stored.key.clone()).collect();
    let purged = purge_times(worker, &gone).await;
    let mut cleared = Vec::with_capacity(suspects.len());
    for (held, evidence) in suspects.into_iter().zip(evidence) {
        let delivery = &held.delivery;
        match stale(&delivery.step(), delivery.stored.seq, &evidence) {
            None if is_gone(&held, &evidence)
                && purged
                    .get(&delivery.stored.key)
                    .is_some_and(|at| delivery.stored.stored_at <= *at) =>
            {
                tracing::info!(job = %held.job_id(), "not run: it was purged");
                worker.settle(queue, held, Settlement::Abandon);
            }
            None => {
                held.evidence_read(asked_at);
                cleared.push(held);
            }
            Some(reason) => {
                tracing::info!(job = %held.job_id(), "delivered again, not run: {reason}");
                settle_stale(worker, queue, held, reason, &evidence);
            }
        }
    }
    cleared
}

/// Whether the broker does not have the message any more. It was purged; or the broker has lost it, and
/// then the job runs all the same.
fn is_gone(held: &HeldDelivery, evidence: &[Evidence]) -> bool {
    let seq = held.delivery.stored.seq;
    !evidence.iter().any(|it| it.place == Place::Queue && it.seq >= seq)
}

/// When these jobs were purged, as far as they were. If the broker does not answer, no job is dropped for it.
async fn purge_times(worker: &WorkerState, jobs: &[JobKey]) -> HashMap<JobKey, Timestamp> {
    if jobs.is_empty() {
        return HashMap::new();
    }
    match worker.transport.purged_at(jobs).await {
        Ok(times) => {
            jobs.iter().zip(times).filter_map(|(job, at)| Some((job.clone(), at?))).collect()
        }
        Err(err) => {
            tracing::debug!("it is not known whether these jobs were purged: {err}");
            HashMap::new()
        }
    }
}

fn settle_stale(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    held: Arc<HeldDelivery>,
    reason: StaleReason,
    evidence: &[Evidence],
) {
    match reason {
        StaleReason::Ended | StaleReason::Died => {
            let unfinished = Unfinished::of(&held.delivery.step().nonce, evidence);
            // A dead job may lack its follow-up, which leaves no evidence.
            let finished = unfinished.is_nothing() && reason == StaleReason::Ended;
            let settlement = if finished { Settlement::AckOnly } else { Settlement::FinishEnded };
            worker.settle_ended(queue, held, settlement);
        }
        StaleReason::Waiting | StaleReason::Superseded => {
            worker.settle(queue, held, Settlement::AckOnly);
        }
    }
}
