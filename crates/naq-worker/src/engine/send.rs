//! Sends deliveries to the task that settles.

use std::sync::Arc;

use super::{Engine, SettleRequest, WorkerQueue};
use crate::decide::Settlement;
use crate::delivery::HeldJob;

impl Engine {
    /// Settles a delivery, unless another task claimed it first.
    pub(crate) fn settle(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldJob>,
        settlement: Settlement,
    ) {
        if held.claim() {
            self.settle_claimed(queue, held, settlement);
        }
    }

    /// Settles a delivery of a job that had ended before. The worker that ended it may have died
    /// before it could tell the gates.
    pub(crate) fn settle_ended(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldJob>,
        settlement: Settlement,
    ) {
        if held.claim() {
            let job = held.read_job().ok().filter(|job| self.deps.gates.guard(job)).map(Box::new);
            let queue = queue.clone();
            self.send(SettleRequest { queue, held, settlement, job, observation: None });
        }
    }

    /// Settles a delivery that the caller has claimed.
    pub(crate) fn settle_claimed(
        &self,
        queue: &Arc<WorkerQueue>,
        held: Arc<HeldJob>,
        settlement: Settlement,
    ) {
        let observation = self.observation_of_cut_off(&held);
        let queue = queue.clone();
        self.send(SettleRequest { queue, held, settlement, job: None, observation });
    }

    pub(crate) fn send(&self, request: SettleRequest) {
        // An error means that the worker has ended; then the lease ends, too.
        let _ = self.settle_requests.send(request);
    }
}
