//! Passes deliveries to the slots.

use std::sync::Arc;

use super::give_back_waiting;
use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};

/// Passes deliveries to the slots. A worker that stops gives them back.
pub(crate) fn push_ready(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    batch: Vec<Arc<HeldDelivery>>,
) {
    if let Err(batch) = worker.ready.push(queue.index, batch) {
        for held in batch {
            give_back_waiting(worker, queue, held);
        }
    }
}
