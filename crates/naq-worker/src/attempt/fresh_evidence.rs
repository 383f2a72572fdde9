//! [`is_unsettled`]: the last look before a job starts. Was it settled elsewhere meanwhile?
//!
//! **What fresh means.** Evidence is as old as the question: the broker answers at some time after it,
//! and the answer may be under way for long. So a doubtful delivery starts only with evidence that was
//! asked for at most [`FRESH`] ago. A record that another worker stores more than `FRESH` before the
//! start is seen. Without evidence a delivery starts only if it is not doubtful: then connection,
//! consumer and leader are the ones that gave this worker the lease, and this process has not stood still
//! since.
//!
//! **Why that holds.** The look comes after everything that waits: slot, gates, the list of runs. The
//! handler starts in the same step. Where an answer takes longer than `FRESH`, the worker asks again. It
//! accepts a later answer that took at most twice the time of the fastest one before: then the broker
//! is that slow, and no look can show more. So the bound is `FRESH`, or twice the fastest answer.

use std::sync::Arc;
use std::time::Duration;

use super::shared_look::shared_look;
use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};
use crate::outage::Outage;

/// How old evidence may be when the handler starts.
const FRESH: Duration = Duration::from_millis(50);

/// Looks for evidence until it is fresh. False when the job was settled elsewhere; this delivery is
/// settled then, too.
pub(super) async fn is_unsettled(worker: &WorkerState, held: &Arc<HeldDelivery>) -> bool {
    let Some(queue) = worker.queue_of(held) else { return false };
    let now = worker.now();
    let doubtful = held.is_doubtful() || queue.stood_still(now);
    if !doubtful {
        return true;
    }
    if is_fresh(held.evidence_age(now), FRESH) {
        queue.looks.note_start();
        return true;
    }
    // In a box, the look does not make the future of every attempt larger.
    Box::pin(look_until_fresh(worker, &queue, held)).await
}

async fn look_until_fresh(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    held: &Arc<HeldDelivery>,
) -> bool {
    let mut outage = Outage::new("the check of a job that waited");
    let mut fastest: Option<Duration> = None;
    loop {
        shared_look(worker, queue, held, FRESH, &mut outage).await;
        if held.is_settling() {
            return false;
        }
        let took = held.evidence_age(worker.now());
        if is_fresh(took, fastest.map_or(FRESH, |fastest| FRESH.max(fastest * 2))) {
            return true;
        }
        fastest = fastest.into_iter().chain(took).min();
    }
}

fn is_fresh(age: Option<Duration>, bound: Duration) -> bool {
    age.is_some_and(|age| age <= bound)
}
