//! Take: reads the job, and stops what must not start.

use std::time::Duration;

use naq_core::Envelope;
use naq_core::retry::{Start, decide_start};
use naq_core::seal::OpenError;
use naq_core::transport::TransportError;
use naq_core::wire::DecodeError;

use crate::crash::{Elsewhere, runs_elsewhere};
use crate::decide::{DeliveryOutcome, attempt_facts};
use crate::delivery::{HeldDelivery, StopReason};
use crate::engine::{AttemptDeps, WorkerState};
use crate::handler::RegisteredTask;
use crate::outage::Outage;

/// How long to wait before the lists are read again from a replica that lags.
const LAG_PAUSE: Duration = Duration::from_millis(20);

/// A job that may have killed a worker, or that must not kill one, is in this worker's list before it
/// runs: if it kills this one, the next worker finds it there. Any other job is listed with the next
/// list.
pub(super) async fn list_suspect_run(
    worker: &WorkerState,
    held: &HeldDelivery,
    job: &Envelope,
) -> Result<(), StopReason> {
    let one_more_is_poison = job.crashes.saturating_add(1) >= job.policy.max_crashes();
    if held.delivery.delivered < 2 && job.crashes == 0 && !one_more_is_poison {
        return Ok(());
    }
    let is_innocent = job.crashes == 0 && !one_more_is_poison;
    let listed = Box::pin(list_now(worker, held, is_innocent)).await?;
    if !listed || held.delivery.delivered < 2 {
        return Ok(());
    }
    Box::pin(leave_to_another(worker, held)).await
}

/// Two workers may hold the same delivery, and find at the same moment that no other runs the job. Each has
/// stored its list before it reads those of the others here, so at least one of them finds the other.
async fn leave_to_another(worker: &WorkerState, held: &HeldDelivery) -> Result<(), StopReason> {
    let mut outage = Outage::new("the last look at a job that was delivered again");
    loop {
        let pause = match runs_elsewhere(worker, held).await {
            Ok(Elsewhere::NotListed) => return Ok(()),
            Ok(Elsewhere::Runs(other)) => {
                tracing::info!(job = %held.job_id(), worker = %other, "delivered again, not run: the other worker has begun it");
                return Err(StopReason::LeaseLost);
            }
            Ok(Elsewhere::Unknown) => LAG_PAUSE,
            Err(err) if err.is_transient() => outage.failed(&err, worker.now()),
            // Without the permission no list can be read. The job runs all the same.
            Err(_) => return Ok(()),
        };
        tokio::select! {
            () = worker.sleep(pause) => {}
            () = held.stop_token.cancelled() => {}
        }
        if let Some(reason) = held.stop_reason() {
            return Err(reason);
        }
    }
}

/// Stores the list. False if the job runs all the same: without the permission, no crash can be counted; and in a
/// full store a job that has killed no worker does not wait for room.
async fn list_now(
    worker: &WorkerState,
    held: &HeldDelivery,
    is_innocent: bool,
) -> Result<bool, StopReason> {
    let mut outage = Outage::new("the list of the jobs that run here");
    loop {
        let err = match worker.store_run_list().await {
            Ok(_) => return Ok(true),
            Err(TransportError::StoreFull { .. }) if is_innocent => return Ok(false),
            Err(err) if err.is_transient() => err,
            Err(err) => {
                tracing::debug!("the list of runs is not stored: {err}");
                return Ok(false);
            }
        };
        tokio::select! {
            () = worker.sleep(outage.failed(&err, worker.now())) => {}
            () = held.stop_token.cancelled() => {}
        }
        if let Some(reason) = held.stop_reason() {
            return Err(reason);
        }
    }
}

/// The job and its task; or the outcome of a delivery whose attempt does not start.
pub(super) fn take<'a>(
    deps: &'a AttemptDeps,
    held: &HeldDelivery,
) -> Result<(Envelope, &'a RegisteredTask), Box<DeliveryOutcome>> {
    if let Some(reason) = held.stop_reason() {
        return Err(Box::new(reason.into()));
    }
    let job = held.read_job().map_err(|err| Box::new(DeliveryOutcome::Undecodable(err)))?;
    if let Err(fault) = deps.signatures.check(&job) {
        return Err(Box::new(DeliveryOutcome::Unverified(Box::new(job), fault)));
    }
    let now = deps.timer.now();
    if let Start::Stop(decision) = decide_start(&job.policy, &attempt_facts(&job, now, now)) {
        held.saved.mark_not_run(&job);
        return Err(Box::new(DeliveryOutcome::NotRun(job, decision)));
    }
    let Some(task) = deps.tasks.get(&job.task) else {
        return Err(Box::new(DeliveryOutcome::UnknownTask(job)));
    };
    match deps.client.open_args(&job) {
        Ok(None) => {}
        Ok(Some(opened)) => held.set_opened_args(opened),
        Err(OpenError::Compressed(fault)) => {
            let (field, reason) = ("args".to_owned(), fault.to_string());
            return Err(Box::new(DeliveryOutcome::Undecodable(DecodeError::Field {
                field,
                reason,
            })));
        }
        Err(fault) => return Err(Box::new(DeliveryOutcome::Undecryptable(job, fault))),
    }
    Ok((job, task))
}
