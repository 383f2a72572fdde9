//! Record: ends the trace and runs the hooks, before the decision is stored.

use super::decide::Decided;
use super::events;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::handler::run_hooks;

pub(super) async fn record(worker: &WorkerState, held: &HeldDelivery, decided: &Decided) {
    held.trace.end(&decided.ending);
    let tasks = &worker.deps.tasks;
    if !tasks.has_hooks() {
        return;
    }
    let stored = &held.delivery.stored;
    let of_fact = || events::retry_or_death(stored, decided.settlement.retry_or_letter()?);
    if let Some(event) = decided.recovered.clone().or_else(of_fact) {
        let encrypted = held.opened_args().and_then(|opened| opened.encrypted.as_ref());
        let event = match encrypted {
            Some(job) => event.with_plain_error(job),
            None => event,
        };
        let hooks = tasks.hooks(&event.job().task);
        Box::pin(run_hooks(&hooks, &event, held.job_id(), &*worker.timer)).await;
    }
}
