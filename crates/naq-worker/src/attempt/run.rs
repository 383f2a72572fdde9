//! Run: calls the handler, and after a failure that would end the job its fallback.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use naq_core::Envelope;

use super::call_handler::call_handler;
use super::fallback;
use crate::decide::{DeliveryOutcome, FinishedRun, RunResult, RunTimes, decide_failure};
use crate::delivery::HeldDelivery;
use crate::engine::AttemptDeps;
use crate::handler::RegisteredTask;
use crate::report::attempt_log;

/// Runs the attempt. A panic outside the handler's guard counts as a lost lease, so that the gates
/// are left all the same.
pub(super) async fn run(
    deps: &AttemptDeps,
    held: &Arc<HeldDelivery>,
    task: &RegisteredTask,
    job: Envelope,
) -> DeliveryOutcome {
    let ran = AssertUnwindSafe(run_traced(deps, held, task, job)).catch_unwind().await;
    ran.unwrap_or_else(|_| {
        held.mark_broken();
        DeliveryOutcome::LeaseLost
    })
}

async fn run_traced(
    deps: &AttemptDeps,
    held: &Arc<HeldDelivery>,
    task: &RegisteredTask,
    job: Envelope,
) -> DeliveryOutcome {
    attempt_log::started(&job);
    let times = RunTimes::starting(deps.timer.now());
    held.handler_started(times.started_at);
    held.trace.begin(&job);
    let outcome = held.trace.in_span(run_handler(deps, held, task, job, times)).await;
    let transport = deps.client.transport();
    held.saved.progress.close(outcome.may_run_again(), &**transport, &*deps.timer).await;
    outcome
}

async fn run_handler(
    deps: &AttemptDeps,
    held: &Arc<HeldDelivery>,
    task: &RegisteredTask,
    job: Envelope,
    mut times: RunTimes,
) -> DeliveryOutcome {
    let running = Arc::new(deps.attempt_context(held, job));
    let result = match call_handler(deps, held, &task.handler, task.blocks, &running).await {
        Ok(result) => result,
        Err(reason) => return reason.into(),
    };
    // The handler may have given its context to a task that still holds it.
    let envelope = Arc::try_unwrap(running)
        .map_or_else(|shared| shared.envelope.clone(), |running| running.envelope);
    times.ended_at = deps.timer.now();
    let run = match result {
        Ok(result) => FinishedRun { envelope, times, result: RunResult::Completed(result) },
        Err(failure) => {
            let decision = decide_failure(&envelope, times, &failure);
            FinishedRun { envelope, times, result: RunResult::Failed { failure, decision } }
        }
    };
    match &task.fallback {
        Some(fallback) => Box::pin(fallback::rescue(deps, held, fallback, run)).await,
        None => DeliveryOutcome::Ran(run),
    }
}
