//! The end of a job: what is left to do between its record and the ack.

use naq_client::Wake;
use naq_core::transport::{Evidence, Place, Unfinished};
use naq_core::{Envelope, JobState};

use super::follow_up;
use super::until_answered::{ack, until_answered, until_refused};
use super::wake::enqueue_wake;
use crate::decide::{DeathFacts, Settlement};
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;

/// Finishes a job that another worker has ended, and acks. That worker may have died before it had
/// done everything. As long as the message is not acked, another delivery finds what is left to do.
pub(super) async fn finish_ended(
    worker: &WorkerState,
    held: &HeldDelivery,
    job: Option<&Envelope>,
) -> Option<Settlement> {
    let stored = &held.delivery.stored;
    let life = stored.step().nonce;
    let messages = until_answered(worker, held, || worker.transport.locate(&stored.key)).await?;
    let evidence: Vec<Evidence> = messages.iter().map(Evidence::from).collect();
    let unfinished = Unfinished::of(&life, &evidence);
    let record = messages.iter().find(|m| m.place == Place::Record && m.step().nonce == life);
    if unfinished.letter
        && let Some(death) = record.and_then(|record| DeathFacts::missing_letter(record, stored))
    {
        return Some(Settlement::StoreDeath(Box::new(death)));
    }
    match record.and_then(|record| record.record().ok()) {
        Some(record) => {
            if record.state == JobState::Dead {
                Box::pin(follow_up::after_letter(worker, held, &messages)).await?;
            }
            end_job(worker, held, record.state, unfinished.wake, job).await;
        }
        None if evidence.iter().any(|e| e.step.nonce == life && e.place == Place::Dead) => {
            Box::pin(follow_up::after_letter(worker, held, &messages)).await?;
            end_job(worker, held, JobState::Dead, false, job).await;
        }
        None if record.is_some() => {
            let state = match evidence.iter().any(|e| e.step.nonce == life && e.died) {
                true => JobState::Dead,
                false => JobState::Completed,
            };
            tracing::warn!(job = %held.job_id(), "the job's record cannot be read; it counts as {state}");
            end_job(worker, held, state, unfinished.wake, job).await;
        }
        // The record has just expired, so it is not known how the job ended. The message is not
        // acked, and comes back.
        None => {}
    }
    None
}

/// Does what is left to do after the record is stored, and acks. After a crash in between, the
/// message comes back, and another worker does the rest. `awaited` says that other jobs wait for
/// this end.
pub(super) async fn end_job(
    worker: &WorkerState,
    held: &HeldDelivery,
    state: JobState,
    awaited: bool,
    job: Option<&Envelope>,
) {
    if awaited && Box::pin(release_waiting(worker, held, state)).await.is_none() {
        return;
    }
    ack_ended(worker, held, job).await;
    // A requeue starts from what a dead job has saved.
    if state != JobState::Dead {
        held.saved.remove(&*worker.transport).await;
        Box::pin(remove_args(worker, held)).await;
    }
}

/// Removes the arguments from their blob. Only for a job whose record is stored, which cannot run again.
async fn remove_args(worker: &WorkerState, held: &HeldDelivery) {
    let Ok(job) = held.delivery.envelope() else { return };
    let key = &held.delivery.stored.key;
    if job.args_blob.is_some()
        && let Err(err) = worker.deps.client.remove_args(key, &job).await
    {
        tracing::debug!(job = %held.job_id(), "its arguments stay in their blob for a day: {err}");
    }
}

/// Enqueues the chore that releases the jobs that wait for this end. None when the lease was lost
/// meanwhile.
async fn release_waiting(worker: &WorkerState, held: &HeldDelivery, state: JobState) -> Option<()> {
    let stored = &held.delivery.stored;
    let wake = Wake::new(stored.key.clone(), &stored.step().nonce, state);
    let enqueued = until_refused(worker, held, || enqueue_wake(worker, &wake)).await?;
    // They look at their parents by themselves, once in a while.
    if let Err(err) = enqueued {
        tracing::error!(job = %held.job_id(), "the jobs that wait for it start late: {err}");
    }
    Some(())
}

/// Notifies the gates of the end of the job, and acks.
pub(super) async fn ack_ended(worker: &WorkerState, held: &HeldDelivery, job: Option<&Envelope>) {
    if let Some(job) = job {
        Box::pin(worker.deps.gates.job_ended(job, worker.now())).await;
    }
    ack(worker, held).await;
}
