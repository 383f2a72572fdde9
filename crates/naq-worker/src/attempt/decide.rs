//! Decide: from the outcome to the settlement, and to what others are told of it.

use naq_core::Envelope;

use super::events;
use crate::decide::{DecidedSettlement, DeliveryOutcome, Settlement};
use crate::delivery::HeldJob;
use crate::engine::{Engine, PendingObservation};
use crate::handler::Event;
use crate::report::CountedEnding;

/// What was decided about a delivery.
#[derive(Debug)]
pub(super) struct Decided {
    pub(super) settlement: Settlement,
    pub(super) ending: CountedEnding,
    /// The job, for the gates that have to know when it ends.
    pub(super) job: Option<Box<Envelope>>,
    /// What hooks are told whatever is stored: a recovery.
    pub(super) recovered: Option<Event>,
    /// What is counted once the settlement is stored.
    pub(super) observation: Option<PendingObservation>,
}

pub(super) fn decide(engine: &Engine, held: &HeldJob, outcome: DeliveryOutcome) -> Decided {
    let guarded = outcome.job().filter(|job| engine.deps.gates.guard(job));
    let job = guarded.cloned().map(Box::new);
    let has_hooks = engine.deps.tasks.has_hooks();
    let recovered = if has_hooks { events::recovery(&outcome) } else { None };
    let observation = engine.observation(held, &outcome);
    let DecidedSettlement { settlement, ending } =
        engine.decider().decide(&held.delivery.stored, outcome);
    Decided { settlement, ending, job, recovered, observation }
}
