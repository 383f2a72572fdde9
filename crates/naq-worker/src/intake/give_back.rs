//! Gives back deliveries that wait for a slot.

use std::sync::Arc;

use crate::decide::Settlement;
use crate::delivery::HeldJob;
use crate::engine::{Engine, WorkerQueue};

/// Gives back a delivery that waits for a slot. One that got a slot just now stays.
pub(crate) fn give_back_waiting(engine: &Engine, queue: &Arc<WorkerQueue>, held: Arc<HeldJob>) {
    if held.claim_waiting() {
        engine.settle_claimed(queue, held, Settlement::GiveBack);
    }
}
