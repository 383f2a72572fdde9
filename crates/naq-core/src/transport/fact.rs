//! [`Fact`]: the message that says what follows an attempt. It is stored before the old message is
//! acked.

use std::time::Duration;

use async_trait::async_trait;

use super::{Stored, TransportError};
use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;
use crate::wire::{
    CancelledAttempt, DeadLetter, EncodeError, Envelope, FinalRecord, Nonce, Step, WireMessage,
    headers,
};

/// The shortest time for which the broker keeps the record of a cancelled or dead job. Such a job has a
/// record even if its TTL is zero, because other workers that hold the job must learn of its end.
pub const SHORTEST_RECORD_TTL: Duration = Duration::from_secs(60);

/// The shortest time for which the broker keeps a record if other jobs wait for that end. They read the
/// results of their parents when they start. Before that they may wait for a slot, a limit or their own
/// retries.
pub const AWAITED_RECORD_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a fact is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// A final record, on `naq.r.<queue>.<id>`.
    Record {
        /// How long the broker keeps it. Brokers round up to a whole second.
        ttl: Duration,
        /// How the job ended.
        state: JobState,
    },
    /// A retry or a snooze, on `naq.s.<queue>.<id>`. The broker moves it to the queue when it is due.
    Retry {
        /// When it is due.
        due_at: Timestamp,
    },
    /// A dead letter, on `naq.d.<queue>.<id>`.
    Dead,
    /// The same job, again at the end of its queue, on `naq.q.<queue>.<id>`.
    GiveBack,
}

/// A message that says what follows an attempt, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The job.
    pub key: JobKey,
    /// Where it is stored.
    pub kind: FactKind,
    /// The deduplication key. A fact that is written again, after a lost answer or by a second worker,
    /// is stored once.
    pub dedup: String,
    /// The sequence of the delivery that this settles. The broker stores a [`FactKind::Retry`] or
    /// [`FactKind::GiveBack`] only while that message is the last one on the job's queue subject. So a
    /// worker that has lost its lease, or whose job was cancelled or purged, cannot bring the job back.
    pub settles: u64,
    /// Headers and body of the message.
    pub message: WireMessage,
}

/// A deduplication key. It contains the queue, because the streams of records and dead letters are shared:
/// two jobs that were written by hand can have the same id and the same sequence in two queues.
fn dedup(key: &JobKey, step: &Step, what: &str) -> String {
    format!("{key}/{step}/{what}")
}

impl Fact {
    /// The job has ended, with this record. `None` if the job has no record.
    ///
    /// # Errors
    /// [`EncodeError`] if the result cannot be written.
    pub fn record(delivery: &Stored, record: &FinalRecord) -> Result<Option<Self>, EncodeError> {
        if record.envelope.record_ttl.is_zero() {
            return Ok(None);
        }
        Ok(Some(Self {
            key: delivery.key.clone(),
            kind: FactKind::Record { ttl: record.envelope.record_ttl, state: record.state },
            dedup: dedup(&delivery.key, &delivery.step(), record.state.as_str()),
            settles: delivery.seq,
            message: record.to_message()?,
        }))
    }

    /// The record of a job that an operator cancelled, with the attempt that the cancel ended. It
    /// replaces the record of the client that cancelled the job.
    ///
    /// # Errors
    /// [`EncodeError`] if a value cannot be written.
    pub fn cancelled_attempt(delivery: &Stored, record: &FinalRecord) -> Result<Self, EncodeError> {
        let ttl = record.envelope.record_ttl.max(SHORTEST_RECORD_TTL);
        Ok(Self {
            key: delivery.key.clone(),
            kind: FactKind::Record { ttl, state: record.state },
            dedup: dedup(&delivery.key, &delivery.step(), "cancelled-attempt"),
            settles: delivery.seq,
            message: record.to_message()?.with_cancelled_attempt(CancelledAttempt::Known),
        })
    }

    /// The record of a job that dies with `letter`. It is written before the letter, and decides that
    /// the job is dead.
    ///
    /// # Errors
    /// [`EncodeError`] if the envelope cannot be written.
    pub fn death(
        delivery: &Stored,
        envelope: Envelope,
        letter: &DeadLetter,
    ) -> Result<Self, EncodeError> {
        let ttl = envelope.record_ttl.max(SHORTEST_RECORD_TTL);
        let state = JobState::Dead;
        let record = FinalRecord { envelope, state, finished_at: letter.died_at, result: None };
        Ok(Self {
            key: delivery.key.clone(),
            kind: FactKind::Record { ttl, state },
            dedup: dedup(&delivery.key, &letter.step, "died"),
            settles: delivery.seq,
            message: letter.add_reason(record.to_message()?),
        })
    }

    /// The final state of the job, if this fact ends it.
    pub fn ends(&self) -> Option<JobState> {
        match self.kind {
            FactKind::Record { state, .. } => Some(state),
            FactKind::Dead => Some(JobState::Dead),
            FactKind::Retry { .. } | FactKind::GiveBack => None,
        }
    }

    /// The job waits until `due_at`, with the envelope `next`.
    ///
    /// # Errors
    /// [`EncodeError`] if the envelope cannot be written.
    pub fn retry(
        delivery: &Stored,
        next: &Envelope,
        due_at: Timestamp,
    ) -> Result<Self, EncodeError> {
        Ok(Self {
            key: delivery.key.clone(),
            kind: FactKind::Retry { due_at },
            dedup: dedup(&delivery.key, &delivery.step(), "next"),
            settles: delivery.seq,
            message: next.to_message()?,
        })
    }

    /// The dead letter of a job. If the body of the job can be read, its record
    /// ([`death`](Self::death)) is written first.
    pub fn dead(delivery: &Stored, letter: &DeadLetter) -> Self {
        Self {
            key: delivery.key.clone(),
            kind: FactKind::Dead,
            dedup: dedup(&delivery.key, &letter.step, "dead"),
            settles: delivery.seq,
            message: match delivery.message.header(headers::RAW_HEADERS) {
                Some(raw) => letter.to_message().with(headers::RAW_HEADERS, raw),
                None => letter.to_message(),
            },
        }
    }

    /// The job goes back to its queue as if it had not been delivered. Body and headers stay the same
    /// without an `envelope`. With one, the message is made from it, so that it keeps the number of
    /// crashes.
    ///
    /// # Errors
    /// [`EncodeError`] if the envelope cannot be written.
    pub fn give_back(delivery: &Stored, envelope: Option<&Envelope>) -> Result<Self, EncodeError> {
        let step = delivery.step();
        let message = match envelope {
            Some(envelope) => envelope.to_message()?,
            None => {
                let mut message = WireMessage::new(delivery.message.body.clone());
                for (name, value) in delivery.message.headers() {
                    message = message.with(name, value);
                }
                match message.step() {
                    Some(_) => message,
                    None => message.with(crate::wire::headers::STEP, step.to_string()),
                }
            }
        };
        Ok(Self {
            key: delivery.key.clone(),
            kind: FactKind::GiveBack,
            dedup: dedup(&delivery.key, &step, &format!("back{}", delivery.seq)),
            settles: delivery.seq,
            message,
        })
    }
}

/// The answer of the broker to a fact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// The fact is stored, by this request or an earlier one.
    Stored,
    /// The fact is stored, and other jobs wait for this end. The worker must release them before the ack.
    Awaited,
    /// The fact is not stored, because this life of the job has already ended in another way. The worker
    /// must ack the message and run nothing.
    Ended,
    /// The fact is not stored, because the message that it settles is not the current one of the job.
    /// The worker must neither ack nor run anything.
    Fenced,
}

/// The answer to [`Settler::await_end`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaiting {
    /// A marker is stored. The worker that ends the job gets [`Written::Awaited`].
    Marked,
    /// The job has already ended, with this record.
    Ended(Stored),
}

/// Stores facts.
#[async_trait]
pub trait Settler: Send + Sync + 'static {
    /// Stores `fact` and returns when the broker has stored it. The same fact is stored once, even if it
    /// is written several times.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one the same fact can be written again.
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError>;

    /// Stores a marker on the record subject of the job, which says that other jobs wait for the end of
    /// this life. The life may have ended already, or not have begun. The record of the job replaces
    /// the marker. One marker is enough for any number of waiting jobs.
    ///
    /// # Errors
    /// [`TransportError`]. After a transient one this can be called again.
    async fn await_end(&self, key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError>;

    /// The largest message that the broker accepts, in bytes, with its headers. The value is from the
    /// broker's last answer; this call sends no request.
    fn max_payload(&self) -> usize;
}
