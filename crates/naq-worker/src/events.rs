//! What hooks are told: [`Retrying`], [`Recovered`], [`Exhausted`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use naq_core::retry::Rule;
use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::{AttemptOutcome, AttemptRecord};
use naq_core::{Envelope, ErrorKind, Timestamp};

use crate::execute::{Outcome, Ran};

/// An attempt has failed, and the job will be tried again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retrying {
    /// The job as it waits now, with the failed attempt at the end of its history.
    pub job: Arc<Envelope>,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// What went wrong.
    pub error_kind: ErrorKind,
    /// The error's message.
    pub message: String,
    /// The rule that decided.
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
    /// How long it waits.
    pub delay: Duration,
    /// When it will be tried again.
    pub due_at: Timestamp,
}

/// A job has succeeded, and not at its first attempt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recovered {
    /// The job, with its failed attempts in the history.
    pub job: Arc<Envelope>,
    /// The attempt that succeeded, from 2.
    pub attempt: u32,
    /// How long that attempt took.
    pub took: Duration,
}

/// A job is dead: no attempt is left, or none is worth making. The rule tells which.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exhausted {
    /// The job as it lies in the dead letter queue, with its whole history.
    pub job: Arc<Envelope>,
    /// Attempts made, or for a job that was not even started the one that was due.
    pub attempt: u32,
    /// What went wrong last.
    pub error_kind: ErrorKind,
    /// The error's message.
    pub message: String,
    /// The rule that ended it: `max_retries`, `fatal`, `ignore_on`, `max_crashes`...
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
}

/// One of them.
#[derive(Debug)]
pub(crate) enum Event {
    Retrying(Retrying),
    Recovered(Recovered),
    Exhausted(Exhausted),
}

impl Event {
    pub(crate) fn job(&self) -> &Envelope {
        match self {
            Self::Retrying(event) => &event.job,
            Self::Recovered(event) => &event.job,
            Self::Exhausted(event) => &event.job,
        }
    }

    /// What an outcome tells by itself.
    pub(crate) fn of_outcome(outcome: &Outcome) -> Option<Self> {
        let Outcome::Ran(Ran { envelope, times, result: Ok(_), fallback: None }) = outcome else {
            return None;
        };
        let attempt = envelope.attempt;
        let took = times.ended_at.since(times.started_at);
        (attempt > 1)
            .then(|| Self::Recovered(Recovered { job: Arc::new(envelope.clone()), attempt, took }))
    }

    /// What follows from the decision. Read off the fact that is about to be written, so that a hook
    /// is told what everybody else will read. Of a message that is no job there is nothing to tell.
    pub(crate) fn of_fact(stored: &Stored, fact: &Fact) -> Option<Self> {
        let becomes = |place| Stored { place, message: fact.message.clone(), ..stored.clone() };
        match fact.kind {
            FactKind::Retry { due_at } => {
                let job = becomes(Place::Schedule).envelope().ok()?;
                let failed = job.history.last().filter(|r| r.outcome == AttemptOutcome::Failed)?;
                Some(Self::Retrying(retrying(failed.clone(), due_at, Arc::new(job))?))
            }
            FactKind::Dead => {
                let dead = becomes(Place::Dead);
                let (letter, job) = (dead.dead_letter(), dead.envelope().ok()?);
                Some(Self::Exhausted(Exhausted {
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

/// `job 0196... (email.send in mail)`.
struct Named<'a>(&'a Envelope);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} ({} in {})", self.0.id, self.0.task, self.0.queue)
    }
}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", Named(&self.job), self.reason, self.message)
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempt, of) = (self.attempt, self.job.max_attempts());
        write!(f, "{}: attempt {attempt} of {of} succeeded", Named(&self.job))
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is dead: {}: {}", Named(&self.job), self.reason, self.message)
    }
}
