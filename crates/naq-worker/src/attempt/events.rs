//! The events that hooks receive, read from the outcome or from the fact.

use std::sync::Arc;
use std::time::Duration;

use naq_core::retry::Rule;
use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Envelope, Timestamp};

use crate::decide::{DeliveryOutcome, FinishedRun, RunResult};
use crate::handler::{Exhausted, HookEvent, Recovered, Retrying};

/// A success after an attempt that failed.
pub(super) fn recovery(outcome: &DeliveryOutcome) -> Option<HookEvent> {
    let DeliveryOutcome::Ran(FinishedRun { envelope, times, result: RunResult::Completed(_) }) =
        outcome
    else {
        return None;
    };
    let attempt = envelope.attempt;
    let took = times.took();
    let job = || Arc::new(envelope.clone());
    (attempt > 1).then(|| HookEvent::Recovered(Recovered { job: job(), attempt, took }))
}

/// A retry or a death. Read from the fact that is about to be stored, so that hooks see the same
/// as readers of the broker. None for a message that is no job.
pub(super) fn retry_or_death(stored: &Stored, fact: &Fact) -> Option<HookEvent> {
    let message_at = |place| Stored { place, message: fact.message.clone(), ..stored.clone() };
    match fact.kind {
        FactKind::Retry { due_at } => {
            let job = message_at(Place::Schedule).envelope().ok()?;
            let failed = job.history.last().filter(|r| r.outcome == AttemptOutcome::Failed)?;
            Some(HookEvent::Retrying(retrying(failed.clone(), due_at, Arc::new(job))?))
        }
        FactKind::Dead => {
            let dead = message_at(Place::Dead);
            let letter = dead.dead_letter();
            // A hook must not act on what a forged job says.
            if letter.rule == Rule::Signature {
                return None;
            }
            let job = dead.envelope().ok()?;
            Some(HookEvent::Exhausted(Exhausted {
                attempt: job.attempt,
                job: Arc::new(job),
                error_kind: letter.error_kind,
                message: letter.message,
                rule: letter.rule,
                reason: letter.reason,
            }))
        }
        FactKind::Record { .. } | FactKind::GiveBack => None,
    }
}

fn retrying(failed: AttemptRecord, due_at: Timestamp, job: Arc<Envelope>) -> Option<Retrying> {
    Some(Retrying {
        job,
        attempt: failed.attempt,
        error_kind: failed.error_kind?,
        message: failed.message.unwrap_or_default(),
        rule: failed.rule?,
        reason: failed.reason.unwrap_or_default(),
        delay: Duration::from_millis(failed.delay_ms.unwrap_or_default()),
        due_at,
    })
}
