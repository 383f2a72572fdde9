//! The end of a job: what is left to do between its record and the ack.

use naq_client::Wake;
use naq_core::transport::{Evidence, Place, Unfinished};
use naq_core::{Envelope, JobState};

use super::follow_up;
use super::insist::{ack, insist};
use super::wake::enqueue_wake;
use crate::decide::{Death, Settlement};
use crate::delivery::HeldJob;
use crate::engine::Engine;

/// The job has ended, and this delivery has no part in it. The worker that ended it may have died
/// over it: so what is left to do is done before the message, which shows it, is acked.
pub(super) async fn finish_end(
    engine: &Engine,
    held: &HeldJob,
    job: Option<&Envelope>,
) -> Option<Settlement> {
    let stored = &held.delivery.stored;
    let life = stored.step().nonce;
    let messages = insist(engine, held, || engine.transport.locate(&stored.key)).await?;
    let evidence: Vec<Evidence> = messages.iter().map(Evidence::from).collect();
    let unfinished = Unfinished::of(&life, &evidence);
    let record = messages.iter().find(|m| m.place == Place::Record && m.step().nonce == life);
    if unfinished.letter
        && let Some(death) = record.and_then(|record| Death::left_behind(record, stored))
    {
        return Some(Settlement::Bury(Box::new(death)));
    }
    match record.and_then(|record| record.record().ok()) {
        Some(record) => end(engine, held, record.state, unfinished.wake, job).await,
        None if evidence.iter().any(|e| e.step.nonce == life && e.place == Place::Dead) => {
            end(engine, held, JobState::Dead, false, job).await;
        }
        None if record.is_some() => {
            let state = match evidence.iter().any(|e| e.step.nonce == life && e.died) {
                true => JobState::Dead,
                false => JobState::Completed,
            };
            tracing::warn!(job = %held.id(), "the job's record cannot be read; it counts as {state}");
            end(engine, held, state, unfinished.wake, job).await;
        }
        // The record has expired just now, and how the job ended is not known: the delivery comes
        // back.
        None => {}
    }
    None
}

/// After the record, and before the ack: a crash in between brings the message back, and another
/// worker does the rest. `awaited` says that other jobs wait for this end.
pub(super) async fn end(
    engine: &Engine,
    held: &HeldJob,
    state: JobState,
    awaited: bool,
    job: Option<&Envelope>,
) {
    if awaited {
        let stored = &held.delivery.stored;
        let wake = Wake::new(stored.key.clone(), &stored.step().nonce, state);
        let Some(()) = insist(engine, held, || enqueue_wake(engine, &wake)).await else { return };
    }
    if state == JobState::Dead {
        let Some(()) = Box::pin(follow_up::enqueue(engine, held)).await else { return };
    }
    ack_ended(engine, held, job).await;
    // A requeue starts from what a dead job has saved.
    if state != JobState::Dead {
        held.saved.clear(&*engine.transport).await;
    }
}

/// Tells the gates that the job has ended, and acks.
pub(super) async fn ack_ended(engine: &Engine, held: &HeldJob, job: Option<&Envelope>) {
    if let Some(job) = job {
        engine.deps.gates.ended(job, engine.now()).await;
    }
    ack(engine, held).await;
}
