//! Record: tells the trace and the hooks what was decided, before it is stored.

use super::decide::Decided;
use super::events;
use crate::delivery::HeldJob;
use crate::engine::Engine;
use crate::handler::call_hooks;

pub(super) async fn record(engine: &Engine, held: &HeldJob, decided: &Decided) {
    held.trace.end(&decided.ending);
    let tasks = &engine.deps.tasks;
    if !tasks.has_hooks() {
        return;
    }
    let stored = &held.delivery.stored;
    let of_fact = || events::retry_or_death(stored, decided.settlement.retry_or_letter()?);
    if let Some(event) = decided.recovered.clone().or_else(of_fact) {
        call_hooks(&tasks.hooks(&event.job().task), &event, held.id(), &*engine.timer).await;
    }
}
