//! Decides for deliveries that the broker has made before: does another worker still run the job, has
//! the worker that ran it crashed, or has the broker delivered it again by itself?

use std::sync::Arc;
use std::time::Duration;

use naq_core::WorkerId;
use naq_core::flow::{Asker, Redelivery, RunEvidence, run_evidence};
use naq_core::transport::TransportError;

use crate::decide::Settlement;
use crate::delivery::HeldDelivery;
use crate::engine::{WorkerQueue, WorkerState};
use crate::intake::suspect_check::keep_unsettled;
use crate::outage::Outage;

/// For how long after this worker was cut off from the broker a first delivery is looked up, too: a
/// broker that was killed may have forgotten that it delivered the job.
const FORGETFUL: Duration = Duration::from_secs(30);

/// What is known of some deliveries after one look at the lists.
struct Checked {
    may_run: Vec<Arc<HeldDelivery>>,
    undecided: Vec<Arc<HeldDelivery>>,
}

/// Those of `suspects` that may run. One that needs another look at the lists is decided by a task of
/// its own, which passes it to the slots: the fetch loop goes on meanwhile.
pub(crate) async fn check_crashes(
    worker: &Arc<WorkerState>,
    queue: &Arc<WorkerQueue>,
    suspects: Vec<Arc<HeldDelivery>>,
) -> Vec<Arc<HeldDelivery>> {
    let forgetful = worker.run_board.heard_for() < FORGETFUL;
    let (asked, clear): (Vec<_>, Vec<_>) =
        suspects.into_iter().partition(|held| forgetful || held.delivery.delivered > 1);
    clear.iter().for_each(|held| held.pass_check());
    if asked.is_empty() {
        return clear;
    }
    let Checked { mut may_run, undecided } = look(worker, queue, asked).await;
    may_run.extend(clear);
    if !undecided.is_empty() {
        let (worker, queue) = (worker.clone(), queue.clone());
        tokio::spawn(decide_later(worker, queue, undecided));
    }
    may_run
}

/// Looks again until each is decided, was settled elsewhere, or this worker stops.
async fn decide_later(
    worker: Arc<WorkerState>,
    queue: Arc<WorkerQueue>,
    mut undecided: Vec<Arc<HeldDelivery>>,
) {
    let mut outage = Outage::new("the check of jobs that were delivered again");
    while !undecided.is_empty() {
        tokio::select! {
            () = worker.sleep(worker.run_board.interval() / 2) => {}
            () = worker.stopping.cancelled() => {
                for held in undecided {
                    worker.settle(&queue, held, Settlement::Abandon);
                }
                return;
            }
        }
        let unsettled = keep_unsettled(&worker, &queue, undecided, &mut outage).await;
        let checked = look(&worker, &queue, unsettled).await;
        undecided = checked.undecided;
        crate::intake::push_ready(&worker, &queue, checked.may_run);
    }
}

/// Stores this worker's list, so that the broker tells its time, and judges by the lists of the others.
async fn look(
    worker: &WorkerState,
    queue: &Arc<WorkerQueue>,
    asked: Vec<Arc<HeldDelivery>>,
) -> Checked {
    let mut checked = Checked { may_run: Vec::new(), undecided: Vec::new() };
    let lists = async {
        worker.store_run_list().await?;
        worker.run_board.read(&*worker.transport, worker.now()).await
    };
    let (lists, asker) = match lists.await {
        Ok(answer) => answer,
        Err(err) if err.is_transient() => {
            return Checked { undecided: asked, ..checked };
        }
        Err(err) => {
            tracing::warn!("no crash can be told from a redelivery: {err}");
            asked.iter().for_each(|held| held.pass_check());
            return Checked { may_run: asked, ..checked };
        }
    };
    for held in asked {
        let delivery = &held.delivery;
        let step = delivery.step().to_string();
        if let Some(crashes) = worker.run_board.take_broken(&delivery.stored.key, &step) {
            held.set_crash(worker.deps.worker_id.clone(), crashes);
            held.pass_check();
            checked.may_run.push(held);
            continue;
        }
        let redelivery = redelivery(&held, asker);
        match run_evidence(&redelivery, &lists, asker) {
            RunEvidence::NotYet => checked.undecided.push(held),
            RunEvidence::RunsOn(other) => {
                tracing::info!(job = %held.job_id(), worker = %other, "delivered again, not run: the other worker runs it");
                worker.settle(queue, held, Settlement::Abandon);
            }
            RunEvidence::Crashed { worker: dead, crashes } => {
                tracing::warn!(job = %held.job_id(), worker = %dead, crashes, "its worker is gone");
                held.set_crash(dead, crashes);
                held.pass_check();
                checked.may_run.push(held);
            }
            RunEvidence::NoCrash => {
                held.pass_check();
                checked.may_run.push(held);
            }
        }
    }
    checked
}

fn redelivery(held: &HeldDelivery, asker: Asker) -> Redelivery {
    Redelivery {
        job: held.delivery.stored.key.clone(),
        step: held.delivery.step(),
        delivered: held.delivery.delivered,
        crashes: held.delivery.envelope().map_or(0, |job| job.crashes),
        received_at: held.first_look(asker.now),
    }
}

/// Whether another worker has begun a delivery that this one is about to begin.
pub(crate) enum Elsewhere {
    Runs(WorkerId),
    /// No list of another worker names it.
    NotListed,
    /// A replica lags, and does not show the newest lists.
    Unknown,
}

/// Looks for the run of this delivery in the lists of the others. This worker must have stored its own list.
pub(crate) async fn runs_elsewhere(
    worker: &WorkerState,
    held: &HeldDelivery,
) -> Result<Elsewhere, TransportError> {
    let read = worker.run_board.read_fresh(&*worker.transport, worker.now()).await?;
    let Some((lists, asker)) = read else { return Ok(Elsewhere::Unknown) };
    Ok(match run_evidence(&redelivery(held, asker), &lists, asker) {
        RunEvidence::RunsOn(other) => Elsewhere::Runs(other),
        RunEvidence::NotYet | RunEvidence::Crashed { .. } | RunEvidence::NoCrash => {
            Elsewhere::NotListed
        }
    })
}
