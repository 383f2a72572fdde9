//! Settle: sends what was decided to the task that settles. See the module `settle`.

use std::sync::Arc;

use super::decide::Decided;
use crate::delivery::HeldDelivery;
use crate::engine::{SettleRequest, WorkerState};

pub(super) fn settle(worker: &WorkerState, held: Arc<HeldDelivery>, decided: Decided) {
    let Decided { settlement, ending, gated_job, observation, .. } = decided;
    let Some(queue) = worker.queue_of(&held) else { return };
    let observation = observation.map(|pending| pending.with_ending(ending));
    worker.send_settle_request(SettleRequest { queue, held, settlement, gated_job, observation });
}
