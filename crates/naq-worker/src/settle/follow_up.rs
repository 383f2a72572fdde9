//! The follow-up of a dead job: enqueued once record and letter are stored, before the ack. When a
//! worker dies in between, the next one that has the delivery comes here again.

use naq_core::flow::FollowUp;
use naq_core::transport::{Place, Stored, Submission, TransportError};
use naq_core::wire::Nonce;
use naq_core::{DeadLetter, Envelope};

use super::until_answered::until_answered;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;

/// Enqueues the follow-up, unless the broker has it already. None when the lease was lost
/// meanwhile: then the dead job must not be acked.
pub(super) async fn enqueue_follow_up(worker: &WorkerState, held: &HeldDelivery) -> Option<()> {
    let stored = &held.delivery.stored;
    let Some(follow_up) = follow_up_of(worker, held) else { return Some(()) };
    let messages = until_answered(worker, held, || worker.transport.locate(&stored.key)).await?;
    // With neither record nor letter, the letter was requeued or purged and the record has expired:
    // long after the death, so the follow-up was enqueued then.
    let Some((letter, dead)) = death(messages, &stored.step().nonce) else { return Some(()) };
    for with_args in [true, false] {
        let job = match follow_up.submission(&letter, &dead, with_args) {
            Ok(job) => job,
            Err(err) => {
                tracing::warn!(job = %held.job_id(), "its follow-up: {err}");
                continue;
            }
        };
        if until_answered(worker, held, || publish(worker, &job)).await? {
            break;
        }
    }
    Some(())
}

/// What the job itself asks for; otherwise what its task asks for.
fn follow_up_of(worker: &WorkerState, held: &HeldDelivery) -> Option<FollowUp> {
    let job = held.read_job().ok()?;
    let of_task = worker.deps.tasks.get(&job.task).and_then(|task| task.options.follow_up.clone());
    job.on_exhausted.or(of_task)
}

/// The death of this life, and the job as it died.
fn death(messages: Vec<Stored>, life: &Nonce) -> Option<(DeadLetter, Envelope)> {
    messages.iter().filter(|m| m.step().nonce == *life).find_map(|m| match m.place {
        Place::Record => Some((m.dead_letter(), m.record().ok()?.envelope)),
        Place::Dead => Some((m.dead_letter(), m.envelope().ok()?)),
        Place::Queue | Place::Schedule => None,
    })
}

/// False when the job is too large. A follow-up that has ended since is not enqueued again.
async fn publish(worker: &WorkerState, job: &Submission) -> Result<bool, TransportError> {
    if !worker.transport.locate(&job.key).await?.is_empty() {
        return Ok(true);
    }
    match worker.transport.publish(job.clone()).await {
        Ok(_) => {
            tracing::info!(follow_up = %job.key, "enqueued the follow-up of a dead job");
            Ok(true)
        }
        Err(err @ TransportError::TooLarge { .. }) => {
            tracing::warn!(follow_up = %job.key, "the follow-up of a dead job: {err}");
            Ok(false)
        }
        Err(err) => Err(err),
    }
}
