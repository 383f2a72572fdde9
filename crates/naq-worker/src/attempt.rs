//! One attempt, from the slot to its settlement. Each step is a file in this folder, in `decide/` or
//! in `settle/`.

mod call;
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
use crate::delivery::HeldJob;
use crate::engine::{AttemptDeps, Engine, SettleRequest};
use crate::report::log;

pub(crate) use self::guarded::STOP_GRACE;

/// Runs one delivery: take, gate, run, decide, record, settle. Nothing here acks: the settlement is
/// sent to the task that settles.
pub(crate) async fn attempt(engine: &Engine, held: Arc<HeldJob>) {
    if !take::may_still_run(engine, &held).await {
        return;
    }
    let outcome = AssertUnwindSafe(take_gate_run(&engine.deps, &held)).catch_unwind().await;
    // After a panic outside the handler's guard the lease ends, and the job comes back as a crash.
    let outcome = outcome.unwrap_or(DeliveryOutcome::LeaseLost);
    engine.counts.add(&outcome);
    // False when a drain gave the job back while its handler ran on.
    if !held.claim() {
        return;
    }
    let decided = decide::decide(engine, &held, outcome);
    record::record(engine, &held, &decided).await;
    if let Some(queue) = engine.queue_of(&held) {
        let decide::Decided { settlement, ending, job, observation, .. } = decided;
        let observation = observation.map(|seen| seen.with_ending(ending));
        engine.send(SettleRequest { queue, held, settlement, job, observation });
    }
}

/// Take, gate, run: the steps that may end an attempt before its handler was called.
async fn take_gate_run(deps: &AttemptDeps, held: &Arc<HeldJob>) -> DeliveryOutcome {
    let (job, task) = match take::take(deps, held) {
        Ok(taken) => taken,
        Err(outcome) => return *outcome,
    };
    let span = log::span(&job);
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
