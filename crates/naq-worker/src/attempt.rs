//! One attempt, from the slot to its settlement. Each step is a file in this folder, in `decide/` or
//! in `settle/`.

mod call_handler;
mod decide;
mod events;
mod fallback;
mod guarded;
mod pass_gates;
mod record;
mod run;
mod take;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tracing::Instrument;

use crate::decide::DeliveryOutcome;
use crate::delivery::HeldDelivery;
use crate::engine::{SettleRequest, WorkerState};
use crate::report::attempt_log;

pub(crate) use self::guarded::STOP_GRACE;

/// Runs one delivery: take, gate, run, decide, record, settle. Nothing here acks: the settlement is
/// sent to the task that settles.
pub(crate) async fn attempt(worker: &WorkerState, held: Arc<HeldDelivery>) {
    if !take::recheck_suspect(worker, &held).await {
        return;
    }
    let outcome = AssertUnwindSafe(take_gate_run(worker, &held)).catch_unwind().await;
    // After a panic outside the handler's guard the lease ends, and the job comes back as a crash.
    let outcome = outcome.unwrap_or(DeliveryOutcome::LeaseLost);
    worker.counts.add(&outcome);
    // False when a drain gave the job back while its handler ran on.
    if !held.claim_settle() {
        return;
    }
    let decided = decide::decide(worker, &held, outcome);
    record::record(worker, &held, &decided).await;
    if let Some(queue) = worker.queue_of(&held) {
        let decide::Decided { settlement, ending, gated_job, observation, .. } = decided;
        let observation = observation.map(|seen| seen.with_ending(ending));
        worker.send_settle_request(SettleRequest {
            queue,
            held,
            settlement,
            gated_job,
            observation,
        });
    }
}

/// Take, gate, run: the steps that may end an attempt before its handler was called.
async fn take_gate_run(worker: &WorkerState, held: &Arc<HeldDelivery>) -> DeliveryOutcome {
    let deps = &worker.deps;
    let (job, task) = match take::take(deps, held) {
        Ok(taken) => taken,
        Err(outcome) => return *outcome,
    };
    if let Err(reason) = take::list_suspect_run(worker, held, &job).await {
        return reason.into();
    }
    worker.run_board.run_begins();
    let span = attempt_log::span(&job);
    let steps = async {
        let (job, mut passed) = match pass_gates::pass_gates(deps, held, job).await {
            Ok(passed) => passed,
            Err(outcome) => return *outcome,
        };
        let outcome = run::run(deps, held, task, job).await;
        passed.leave(deps, held, &outcome).await;
        outcome
    };
    steps.instrument(span).await
}
