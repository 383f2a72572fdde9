//! [`shared_look`]: one look at the broker for all deliveries of a queue that need one now.
//!
//! Deliveries that ask while a look is under way are covered together by the next one. A look also covers
//! deliveries that wait for a slot, so that they need none of their own when they start soon after it.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};
use crate::intake::suspect_check;
use crate::outage::Outage;

/// Returns after a look that was asked for after this call has covered the delivery. It is settled then, or
/// its evidence was read. Evidence older than `fresh` does not do for a start.
pub(super) async fn shared_look(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    held: &Arc<HeldDelivery>,
    fresh: Duration,
    outage: &mut Outage,
) {
    let mut turn = queue.looks.ask(held).await;
    let Some(mut covered) = queue.looks.take_all(held) else { return };
    let ahead = queue.looks.next_ahead(&mut turn);
    covered.extend(waiting_for_a_slot(worker, queue, fresh, ahead));
    suspect_check::keep_unsettled(worker, queue, covered, outage).await;
}

/// The first deliveries of the queue that wait for a slot, and will need a look when they get it.
fn waiting_for_a_slot(
    worker: &WorkerState,
    queue: &WorkerQueue,
    fresh: Duration,
    most: usize,
) -> Vec<Arc<HeldDelivery>> {
    if most == 0 {
        return Vec::new();
    }
    let now = worker.now();
    let mut waiting = queue.held.all();
    waiting.retain(|held| {
        let is_old = held.evidence_age(now).is_none_or(|age| age > fresh / 2);
        held.is_ready() && is_old && (held.is_doubtful() || queue.stood_still(now))
    });
    waiting.sort_unstable_by_key(|held| (held.received_at, held.delivery.stored.seq));
    waiting.truncate(most);
    waiting
}
