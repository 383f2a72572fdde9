//! A slot: runs one attempt after the other.

use std::sync::Arc;

use crate::attempt::attempt;
use crate::engine::WorkerState;
use crate::report::WorkerMetrics;

/// A slot in use. It is free again when this is dropped, also by a panic.
struct SlotGuard<'a>(&'a WorkerState);

impl<'a> SlotGuard<'a> {
    fn of(worker: &'a WorkerState) -> Self {
        worker.metrics.iter().for_each(WorkerMetrics::slot_taken);
        Self(worker)
    }
}

impl Drop for SlotGuard<'_> {
    fn drop(&mut self) {
        self.0.ready.slot_freed();
        self.0.metrics.iter().for_each(WorkerMetrics::slot_free);
    }
}

/// Takes jobs and runs them until the worker hands out no more.
pub(super) async fn run_slot(worker: Arc<WorkerState>) {
    while let Some(held) = worker.ready.next().await {
        let _in_use = SlotGuard::of(&worker);
        attempt(&worker, held).await;
    }
}
