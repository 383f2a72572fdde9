//! A job that an operator cancelled while this worker had it: its record says what the attempt was.

use naq_core::JobState;
use naq_core::retry::Rule;
use naq_core::transport::{Fact, Place, SHORTEST_RECORD_TTL, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord, CancelledAttempt, FinalRecord};

use super::until_answered::until_answered;
use crate::decide::Settlement;
use crate::delivery::HeldDelivery;
use crate::engine::WorkerState;

/// The client that cancels stores the record, and then signals. It does not know who runs the job and
/// since when, so this worker adds that. A signal may also come without a record, from another
/// program: then this worker stores one, because a job must not vanish.
pub(super) async fn record_cancelled(worker: &WorkerState, held: &HeldDelivery) -> Settlement {
    let stored = &held.delivery.stored;
    let Some(found) = until_answered(worker, held, || worker.transport.locate(&stored.key)).await
    else {
        return Settlement::Abandon;
    };
    let life = stored.step().nonce;
    let record = found.iter().find(|it| it.place == Place::Record && it.step().nonce == life);
    match record {
        Some(record) => {
            if let Some(fact) = with_attempt(worker, held, record)
                && let Err(err) = worker.transport.write(&fact).await
            {
                tracing::debug!(job = %held.job_id(), "the record lacks the attempt: {err}");
            }
            Settlement::AckOnly
        }
        None => match own_record(worker, held) {
            Some(fact) => Settlement::Store(fact),
            None => Settlement::Abandon,
        },
    }
}

/// The record of the client with this attempt.
fn with_attempt(worker: &WorkerState, held: &HeldDelivery, record: &Stored) -> Option<Fact> {
    let started_at = held.started_at()?;
    if record.message.cancelled_attempt() != Some(CancelledAttempt::Unknown) {
        return None;
    }
    let mut record = record.record().ok()?;
    let entry = record.envelope.history.last_mut()?;
    if entry.outcome != AttemptOutcome::Cancelled {
        return None;
    }
    entry.worker = Some(worker.deps.worker_id.clone());
    entry.started_at = Some(started_at);
    entry.ended_at = Some(worker.now());
    Fact::cancelled_attempt(&held.delivery.stored, &record).ok()
}

fn own_record(worker: &WorkerState, held: &HeldDelivery) -> Option<Fact> {
    let mut envelope = held.read_job().ok()?;
    let now = worker.now();
    let mut entry = AttemptRecord::new(envelope.attempt, AttemptOutcome::Cancelled);
    entry.due_at = envelope.due_at;
    entry.worker = Some(worker.deps.worker_id.clone());
    entry.started_at = held.started_at();
    entry.ended_at = Some(now);
    entry.decision = Some("cancel".into());
    entry.rule = Some(Rule::Cancel);
    entry.reason = Some("a signal to all workers cancelled it; it gave no reason".into());
    envelope.record(entry);
    envelope.record_ttl = envelope.record_ttl.max(SHORTEST_RECORD_TTL);
    let state = JobState::Cancelled;
    let record = FinalRecord { envelope, state, finished_at: now, result: None };
    Fact::record(&held.delivery.stored, &record).ok().flatten()
}
