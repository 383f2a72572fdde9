//! Gives back deliveries that wait for a slot.

use std::sync::Arc;

use crate::decide::Settlement;
use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};

/// Gives back a delivery that waits for a slot. One that got a slot just now stays.
pub(crate) fn give_back_waiting(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    held: Arc<HeldDelivery>,
) {
    if held.claim_if_ready() {
        worker.settle_interrupted(queue, held, Settlement::GiveBack);
    }
}
