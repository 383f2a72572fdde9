//! Settle, first half: the new fact, written and awaited before the old message is acked.

use std::time::Duration;

use async_trait::async_trait;

use super::{Stored, TransportError};
use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;
use crate::wire::{DeadLetter, EncodeError, Envelope, FinalRecord, Nonce, Step, WireMessage};

/// The record of a job that was cancelled or died is kept this long at least, also when the job
/// wants none: whoever else has the job must learn that it is over.
pub const SHORTEST_RECORD_TTL: Duration = Duration::from_secs(60);

/// A record that other jobs wait for is kept this long at least: they read the results of those
/// before them when they start, and may wait for a slot, a limit or their own retries until then.
pub const AWAITED_RECORD_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Where a fact goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// To `naq.r...`, kept this long.
    Record {
        /// How long; brokers round up to a whole second.
        ttl: Duration,
        /// How the job ended.
        state: JobState,
    },
    /// To `naq.s...`, moved to the queue when due.
    Retry {
        /// When.
        due_at: Timestamp,
    },
    /// To `naq.d...`.
    Dead,
    /// To `naq.q...`, at the end of the queue.
    GiveBack,
}

/// What became of a job, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which job.
    pub key: JobKey,
    /// Where it goes.
    pub kind: FactKind,
    /// The same fact written again, after a lost answer or by a second worker, is stored once.
    pub dedup: String,
    /// The sequence of the delivery that this settles. For [`FactKind::Retry`] and
    /// [`FactKind::GiveBack`] the broker stores the fact only while that message is still the last
    /// on the job's queue subject: a worker that lost its lease, or whose job was cancelled or
    /// purged, cannot bring the job back.
    pub settles: u64,
    /// Headers and body.
    pub message: WireMessage,
}

/// With the queue: the streams of records and letters are shared, and two jobs written by hand can
/// have the same id and the same first sequence in two queues.
fn dedup(key: &JobKey, step: &Step, what: &str) -> String {
    format!("{key}/{step}/{what}")
}

impl Fact {
    /// The job ended as `record` says. None when the job asked for no record.
    ///
    /// # Errors
    /// [`EncodeError`] when the result cannot be written.
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

    /// The record of a job that dies with `letter`: written first, it decides whether it does.
    ///
    /// # Errors
    /// [`EncodeError`] when the envelope cannot be written.
    pub fn death(
        delivery: &Stored,
        envelope: Envelope,
        letter: &DeadLetter,
    ) -> Result<Self, EncodeError> {
        let ttl = envelope.record_ttl.max(SHORTEST_RECORD_TTL);
        let (state, finished_at) = (JobState::Dead, letter.died_at);
        let record = FinalRecord { envelope, state, finished_at, result: None };
        Ok(Self {
            key: delivery.key.clone(),
            kind: FactKind::Record { ttl, state },
            dedup: dedup(&delivery.key, &letter.step, "died"),
            settles: delivery.seq,
            message: letter.say_why(record.to_message()?),
        })
    }

    /// How the job ends with this; none when it goes on.
    pub fn ends(&self) -> Option<JobState> {
        match self.kind {
            FactKind::Record { state, .. } => Some(state),
            FactKind::Dead => Some(JobState::Dead),
            FactKind::Retry { .. } | FactKind::GiveBack => None,
        }
    }

    /// The job waits until `due_at`; `next` is its envelope for then.
    ///
    /// # Errors
    /// [`EncodeError`] when the envelope cannot be written.
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

    /// The job is dead. Of a job whose body can be read, its record comes before:
    /// [`death`](Self::death).
    pub fn dead(delivery: &Stored, letter: &DeadLetter) -> Self {
        Self {
            key: delivery.key.clone(),
            kind: FactKind::Dead,
            dedup: dedup(&delivery.key, &letter.step, "dead"),
            settles: delivery.seq,
            message: letter.to_message(),
        }
    }

    /// The job goes back to its queue as if it had not been handed out: body and headers as they
    /// came, or as `envelope` says where the crash count has to be carried over.
    ///
    /// # Errors
    /// [`EncodeError`] when the envelope cannot be written.
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

/// Whether a fact was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is, now or since an earlier try.
    Stored,
    /// It is, and other jobs wait for this end: they are to be woken before the ack.
    Awaited,
    /// It is not: this life of the job has ended already, otherwise. Ack, run nothing.
    Ended,
    /// It is not: the message that it settles is no longer the job's. Ack nothing, run nothing.
    Fenced,
}

/// What becomes of whoever wants to be told of a job's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaiting {
    /// It is noted: whoever ends the job is told so by [`Written::Awaited`].
    Marked,
    /// It has ended already; this is its record.
    Ended(Stored),
}

/// Stores facts.
#[async_trait]
pub trait Settler: Send + Sync + 'static {
    /// Stores `fact`, once however often it is called. Returns once the broker has it.
    ///
    /// # Errors
    /// [`TransportError`]; after a transient one the same fact can be written again.
    async fn write(&self, fact: &Fact) -> Result<Written, TransportError>;

    /// Notes that somebody waits for the end of this life of the job, which may have come already
    /// and may not even have begun: a marker on its record subject, which goes when a record takes
    /// its place. One marker stands for any number of those who wait.
    ///
    /// # Errors
    /// [`TransportError`]; after a transient one it can be noted again.
    async fn await_end(&self, key: &JobKey, life: &Nonce) -> Result<Awaiting, TransportError>;

    /// The largest message that the broker takes, headers included, in bytes: the last value it told.
    /// Sends no request.
    fn max_payload(&self) -> usize;
}
