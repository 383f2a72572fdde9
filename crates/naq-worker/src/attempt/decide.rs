//! Decide: from the outcome to the settlement, and to what is reported about it.

use naq_core::Envelope;

use super::events;
use crate::decide::{DeliveryOutcome, SettlePlan, Settlement};
use crate::delivery::HeldDelivery;
use crate::engine::{PendingObservation, WorkerState};
use crate::handler::HookEvent;
use crate::report::ObservedEnding;

/// What was decided about a delivery.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) settlement: Settlement,
    pub(super) ending: ObservedEnding,
    /// The job, for the gates that have to know when it ends.
    pub(super) gated_job: Option<Box<Envelope>>,
    /// The event of a job that succeeded after a failed attempt.
    pub(super) recovered: Option<HookEvent>,
    /// What is counted once the settlement is stored.
    pub(super) observation: Option<PendingObservation>,
}

pub(super) fn decide(
    worker: &WorkerState,
    held: &HeldDelivery,
    outcome: DeliveryOutcome,
) -> Decided {
    let gated = outcome.envelope().filter(|job| worker.deps.gates.any_applies(job));
    let gated_job = gated.cloned().map(Box::new);
    let has_hooks = worker.deps.tasks.has_hooks();
    let recovered = if has_hooks { events::recovery(&outcome) } else { None };
    let observation = worker.observe_outcome(held, &outcome);
    let SettlePlan { settlement, ending } =
        worker.settle_planner().plan(&held.delivery.stored, outcome);
    Decided { settlement, ending, gated_job, recovered, observation }
}
