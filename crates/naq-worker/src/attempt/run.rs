//! Run: calls the handler, and after a failure that would end the job its fallback.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use naq_core::Envelope;

use super::call::call;
use super::fallback;
use crate::decide::{DeliveryOutcome, FinishedRun, RunResult, Times, decide_failure};
use crate::delivery::HeldJob;
use crate::engine::AttemptDeps;
use crate::handler::Task;
use crate::report::log;

/// Runs the attempt. A panic outside the handler's guard counts as a lost lease, so that the gates
/// are left all the same.
pub(super) async fn run(
    deps: &AttemptDeps,
    held: &Arc<HeldJob>,
    task: &Task,
    job: Envelope,
) -> DeliveryOutcome {
    let ran = AssertUnwindSafe(run_traced(deps, held, task, job)).catch_unwind().await;
    ran.unwrap_or(DeliveryOutcome::LeaseLost)
}

async fn run_traced(
    deps: &AttemptDeps,
    held: &Arc<HeldJob>,
    task: &Task,
    job: Envelope,
) -> DeliveryOutcome {
    log::started(&job);
    let times = Times::starting(deps.timer.now());
    held.begin(times.started_at);
    held.trace.begin(&job);
    let outcome = held.trace.within(call_handler(deps, held, task, job, times)).await;
    let transport = deps.client.transport();
    held.saved.progress.close(outcome.may_run_again(), &**transport, &*deps.timer).await;
    outcome
}

async fn call_handler(
    deps: &AttemptDeps,
    held: &Arc<HeldJob>,
    task: &Task,
    job: Envelope,
    mut times: Times,
) -> DeliveryOutcome {
    let running = Arc::new(deps.running_attempt(held, job));
    let result = match call(deps, held, &task.handler, &running).await {
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
        Some(fallback) => fallback::rescue(deps, held, fallback, run).await,
        None => DeliveryOutcome::Ran(run),
    }
}
