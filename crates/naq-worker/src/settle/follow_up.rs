//! The follow-up of a dead job: enqueued once the record of the death is stored, before the letter.
//! So the letter can say that the follow-up could not be sent. When a worker dies in between, the next
//! one that has the delivery comes here again.

use std::borrow::Cow;

use naq_core::flow::FollowUp;
use naq_core::retry::Rule;
use naq_core::transport::{Fact, Place, Stored, Submission, TransportError};
use naq_core::wire::Nonce;
use naq_core::{DeadLetter, Envelope};

use super::until_answered::until_refused;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;

/// Enqueues the follow-up before the letter of the death is stored. The answer is the reason why it
/// could not be sent, if there is one. None when the lease was lost meanwhile.
pub(super) async fn before_letter(
    worker: &WorkerState,
    held: &HeldDelivery,
    letter: &Fact,
) -> Option<Option<String>> {
    let message = letter.message.clone();
    let letter = Stored { place: Place::Dead, message, ..held.delivery.stored.clone() };
    match letter.envelope() {
        // What a forged job asks for is not done, and this worker does not sign it.
        Ok(_) if letter.dead_letter().rule == Rule::Signature => Some(None),
        Ok(dead) => enqueue(worker, held, &letter.dead_letter(), &dead).await,
        // A message that is not a job asks for no follow-up.
        Err(_) => Some(None),
    }
}

/// Enqueues the follow-up of a death that another worker has stored, unless the broker has it already.
/// None when the lease was lost meanwhile: then the dead job must not be acked.
pub(super) async fn after_letter(
    worker: &WorkerState,
    held: &HeldDelivery,
    messages: &[Stored],
) -> Option<()> {
    // With neither record nor letter, the letter was requeued or purged and the record has expired:
    // long after the death, so the follow-up was enqueued then.
    let life = held.delivery.stored.step().nonce;
    let Some((letter, dead)) = death(messages, &life) else { return Some(()) };
    if letter.rule == Rule::Signature {
        return Some(());
    }
    enqueue(worker, held, &letter, &dead).await.map(|_| ())
}

async fn enqueue(
    worker: &WorkerState,
    held: &HeldDelivery,
    letter: &DeadLetter,
    dead: &Envelope,
) -> Option<Option<String>> {
    let Some(follow_up) = follow_up_of(worker, held) else { return Some(None) };
    // Large arguments are not in the letter, and would not fit into the follow-up. Encrypted arguments are those of the dead job alone. The follow-up gets them decrypted, and is
    // encrypted itself, or it does not get them.
    let opened = worker.deps.client.open_args(dead);
    let mut letter = Cow::Borrowed(letter);
    let encrypted = opened.iter().flatten().find_map(|opened| opened.encrypted.as_ref());
    if let Some(job) = encrypted {
        let plain = job.open_message(&letter.message).into_owned();
        letter.to_mut().message = plain;
    }
    let (dead, forms) = match opened {
        _ if dead.args_blob.is_some() => (Cow::Borrowed(dead), &[false][..]),
        Ok(None) => (Cow::Borrowed(dead), &[true, false][..]),
        Ok(Some(opened)) => {
            let mut dead = dead.clone();
            dead.args = opened.plain;
            (Cow::Owned(dead), &[true, false][..])
        }
        Err(_) => (Cow::Borrowed(dead), &[false][..]),
    };
    let mut reason = None;
    for &with_args in forms {
        let job = match follow_up.submission(&letter, &dead, with_args) {
            Ok(job) => job,
            Err(err) => {
                reason = Some(err.to_string());
                continue;
            }
        };
        let job = match worker.deps.client.protect(job) {
            Ok(job) => job,
            Err(err) => {
                reason = Some(err.to_string());
                continue;
            }
        };
        match until_refused(worker, held, || publish(worker, &job)).await? {
            Ok(()) => return Some(None),
            // The arguments may be what makes it too large.
            Err(err @ TransportError::TooLarge { .. }) => reason = Some(err.to_string()),
            Err(err) => {
                reason = Some(err.to_string());
                break;
            }
        }
    }
    if let Some(reason) = &reason {
        let task = &follow_up.task;
        tracing::error!(job = %held.job_id(), %task, "its follow-up could not be sent: {reason}");
    }
    Some(reason.map(|why| format!("its follow-up {} could not be sent: {why}", follow_up.task)))
}

/// What the job itself asks for; otherwise what its task asks for.
fn follow_up_of(worker: &WorkerState, held: &HeldDelivery) -> Option<FollowUp> {
    let job = held.read_job().ok()?;
    let of_task = worker.deps.tasks.get(&job.task).and_then(|task| task.options.follow_up.clone());
    job.on_exhausted.or(of_task)
}

/// The death of this life, and the job as it died.
fn death(messages: &[Stored], life: &Nonce) -> Option<(DeadLetter, Envelope)> {
    messages.iter().filter(|m| m.step().nonce == *life).find_map(|m| match m.place {
        Place::Record => Some((m.dead_letter(), m.record().ok()?.envelope)),
        Place::Dead => Some((m.dead_letter(), m.envelope().ok()?)),
        Place::Queue | Place::Schedule => None,
    })
}

/// A follow-up that has ended since is not enqueued again.
async fn publish(worker: &WorkerState, job: &Submission) -> Result<(), TransportError> {
    worker.transport.publish(job.clone()).await?;
    tracing::info!(follow_up = %job.key, "enqueued the follow-up of a dead job");
    Ok(())
}
