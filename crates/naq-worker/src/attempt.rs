//! One attempt, in six steps: take, gate, run, decide, record, settle. Each step is a file in this
//! folder.

mod call_handler;
mod decide;
mod events;
mod fallback;
mod fresh_evidence;
mod guarded;
mod pass_gates;
mod read_args;
mod record;
mod run;
mod settle;
mod shared_look;
mod take;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tracing::Instrument;

use self::decide::decide;
use self::fresh_evidence::is_unsettled;
use self::pass_gates::pass_gates;
use self::read_args::read_args;
use self::record::record;
use self::run::run;
use self::settle::settle;
use self::take::{list_suspect_run, take};
use crate::decide::DeliveryOutcome;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;
use crate::report::attempt_log;

pub(crate) use self::guarded::STOP_GRACE;

/// Runs one delivery, from its slot to its settlement. Nothing here acks.
pub(crate) async fn attempt(worker: &WorkerState, held: Arc<HeldDelivery>) {
    if !is_unsettled(worker, &held).await {
        return;
    }
    let outcome = AssertUnwindSafe(take_gate_run(worker, &held)).catch_unwind().await;
    let Some(outcome) = outcome.transpose() else { return };
    // After a panic outside the handler's guard the lease ends, and the job comes back as a crash.
    let outcome = outcome.unwrap_or_else(|_| {
        held.list();
        held.mark_broken();
        DeliveryOutcome::LeaseLost
    });
    if held.is_broken() {
        held.listed_run().into_iter().for_each(|run| worker.run_board.run_broke(run));
    }
    worker.counts.add(&outcome);
    // False when the job was given back while its handler ran.
    if held.claim_settle() {
        let decided = decide(worker, &held, outcome);
        record(worker, &held, &decided).await;
        settle(worker, held, decided);
    }
}

/// The steps that end in an outcome. None for a job with crashes that has to wait for its turn, and has
/// left its slot; and for one that was settled elsewhere.
async fn take_gate_run(worker: &WorkerState, held: &Arc<HeldDelivery>) -> Option<DeliveryOutcome> {
    let deps = &worker.deps;
    if let Err(outcome) = Box::pin(read_args(worker, held)).await {
        return Some(*outcome);
    }
    let (job, task) = match take(deps, held) {
        Ok(taken) => taken,
        Err(outcome) => return Some(*outcome),
    };
    if job.crashes > 0 {
        held.note_crashes();
    }
    if !worker.apart_line.enter(held, &job, worker.now()) {
        return None;
    }
    held.list();
    worker.run_board.run_begins();
    if let Err(reason) = list_suspect_run(worker, held, &job).await {
        return Some(reason.into());
    }
    let span = attempt_log::span(&job);
    let gate_run = async {
        let (job, mut passed) = match pass_gates(deps, held, job).await {
            Ok(passed) => passed,
            Err(outcome) => return Some(*outcome),
        };
        // The gates and the list may have taken long.
        if !is_unsettled(worker, held).await {
            passed.leave(deps, held, &DeliveryOutcome::LeaseLost).await;
            return None;
        }
        let outcome = run(deps, held, task, job).await;
        passed.leave(deps, held, &outcome).await;
        Some(outcome)
    };
    gate_run.instrument(span).await
}
