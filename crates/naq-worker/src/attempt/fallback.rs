//! The fallback: runs when a failure of the handler would end the job.

use std::sync::Arc;

use naq_core::retry::{Action, Decision, Rule};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Advice, Envelope, Failure};

use super::call_handler::call_handler;
use crate::decide::{DeliveryOutcome, FinishedRun, RunResult};
use crate::delivery::HeldDelivery;
use crate::engine::AttemptDeps;
use crate::handler::Handler;

/// Runs the fallback of a job that would be dead. Every other run stays as it is.
pub(super) async fn rescue(
    deps: &AttemptDeps,
    held: &Arc<HeldDelivery>,
    fallback: &Handler,
    run: FinishedRun,
) -> DeliveryOutcome {
    let FinishedRun { envelope, mut times, result } = run;
    let (failure, decision) = match result {
        RunResult::Failed { failure, decision } if is_rescued(&failure, &decision) => {
            (failure, decision)
        }
        result => return DeliveryOutcome::Ran(FinishedRun { envelope, times, result }),
    };
    let running = Arc::new(deps.attempt_context(held, with_failure(&envelope, &failure)));
    let result = match call_handler(deps, held, fallback, false, &running).await {
        Err(reason) => return reason.into(),
        Ok(Ok(result)) => {
            let reason = format!("{}: the fallback completed the job", decision.reason());
            let decision = Decision::saying(Action::Complete, Rule::Fallback, reason);
            RunResult::CompletedByFallback { result, failure, decision }
        }
        Ok(Err(own)) => {
            let reason = format!("{}; the fallback failed with {own}", decision.reason());
            let decision = Decision::saying(decision.action, decision.rule, reason);
            RunResult::Failed { failure, decision }
        }
    };
    times.ended_at = deps.timer.now();
    DeliveryOutcome::Ran(FinishedRun { envelope, times, result })
}

/// Poison stays dead: its fallback would run the same arguments once more.
fn is_rescued(failure: &Failure, decision: &Decision) -> bool {
    decision.action == Action::Dead && failure.advice() != Advice::Crash
}

/// The job as its fallback sees it: with the failure at the end of its history.
fn with_failure(envelope: &Envelope, failure: &Failure) -> Envelope {
    let mut envelope = envelope.clone();
    let mut record = AttemptRecord::new(envelope.attempt, AttemptOutcome::Failed);
    record.error_kind = Some(failure.kind().clone());
    record.message = Some(failure.message().to_owned());
    envelope.record(record);
    envelope
}
