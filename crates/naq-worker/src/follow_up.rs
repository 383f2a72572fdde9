//! The job that follows a death: enqueued when record and letter stand, and before the ack. A worker
//! that dies in between leaves the delivery to another, which comes here again.

use naq_core::flow::FollowUp;
use naq_core::transport::{Place, Stored, Submission, TransportError};
use naq_core::wire::Nonce;
use naq_core::{DeadLetter, Envelope};

use crate::engine::Engine;
use crate::execute::decode;
use crate::held::Held;
use crate::settle::insist;

/// Enqueues what is to follow the death of this job, unless it is there already. None when the lease
/// was lost over it: then the job is not to be acked.
pub(crate) async fn send(engine: &Engine, held: &Held) -> Option<()> {
    let stored = &held.delivery.stored;
    let Some(follow_up) = wanted(engine, held) else { return Some(()) };
    let messages = insist(engine, held, || engine.transport.locate(&stored.key)).await?;
    // Without either of them somebody has requeued or purged the letter, and the record is gone: long
    // after the death, and then the follow-up is there as well.
    let Some((letter, dead)) = death(messages, &stored.step().nonce) else { return Some(()) };
    for with_args in [true, false] {
        let job = match follow_up.submission(&letter, &dead, with_args) {
            Ok(job) => job,
            Err(err) => {
                tracing::warn!(job = %held.id(), "what follows its death: {err}");
                continue;
            }
        };
        if insist(engine, held, || publish(engine, &job)).await? {
            break;
        }
    }
    Some(())
}

/// What the job itself says, else its task.
fn wanted(engine: &Engine, held: &Held) -> Option<FollowUp> {
    let job = decode(&held.delivery).ok()?;
    let of_task = engine.stage.tasks.get(&job.task).and_then(|task| task.options.follow_up.clone());
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

/// False when it is too large. One that has ended meanwhile is not begun anew.
async fn publish(engine: &Engine, job: &Submission) -> Result<bool, TransportError> {
    if !engine.transport.locate(&job.key).await?.is_empty() {
        return Ok(true);
    }
    match engine.transport.publish(job.clone()).await {
        Ok(_) => {
            tracing::info!(follows = %job.key, "enqueued what follows a death");
            Ok(true)
        }
        Err(err @ TransportError::TooLarge { .. }) => {
            tracing::warn!(job = %job.key, "what follows a death: {err}");
            Ok(false)
        }
        Err(err) => Err(err),
    }
}
