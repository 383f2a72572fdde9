//! Sends deliveries to the task that settles.

use std::sync::Arc;

use super::{SettleRequest, WorkerQueue, WorkerState};
use crate::decide::Settlement;
use crate::delivery::HeldDelivery;

impl WorkerState {
    /// Settles a delivery, unless another task claimed it first.
    pub(crate) fn settle(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldDelivery>,
        settlement: Settlement,
    ) {
        if held.claim_settle() {
            self.settle_interrupted(queue, held, settlement);
        }
    }

    /// Settles a delivery of a job that had ended before. The worker that ended it may have died
    /// before it could notify the gates.
    pub(crate) fn settle_ended(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldDelivery>,
        settlement: Settlement,
    ) {
        if held.claim_settle() {
            let gated_job =
                held.read_job().ok().filter(|job| self.deps.gates.any_applies(job)).map(Box::new);
            let queue = queue.clone();
            self.send_settle_request(SettleRequest {
                queue,
                held,
                settlement,
                gated_job,
                observation: None,
            });
        }
    }

    /// Settles a delivery that the caller has claimed and that did not run to its end.
    pub(crate) fn settle_interrupted(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldDelivery>,
        settlement: Settlement,
    ) {
        let observation = self.observe_interrupted(&held);
        let queue = queue.clone();
        self.send_settle_request(SettleRequest {
            queue,
            held,
            settlement,
            gated_job: None,
            observation,
        });
    }

    pub(crate) fn send_settle_request(&self, request: SettleRequest) {
        self.ready.settle_began();
        // An error means that the worker has ended; then the lease ends, too.
        let _ = self.settle_requests.send(request);
    }
}
