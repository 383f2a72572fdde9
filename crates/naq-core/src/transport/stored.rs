//! [`Stored`]: a message of a job, as the broker stores it.

use bytes::Bytes;

use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;
use crate::wire::{
    BlobRef, DeadLetter, DecodeError, Envelope, FinalRecord, MessageMeta, Nonce, Step, WireMessage,
    headers,
};

/// Which of the four subjects of a job a message is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `naq.q.<queue>.<id>`: pending or running.
    Queue,
    /// `naq.s.<queue>.<id>`: scheduled, retrying or blocked.
    Schedule,
    /// `naq.d.<queue>.<id>`: dead letter.
    Dead,
    /// `naq.r.<queue>.<id>`: final record.
    Record,
}

impl Place {
    /// All four.
    pub const ALL: [Self; 4] = [Self::Queue, Self::Schedule, Self::Dead, Self::Record];
}

/// A message of a job, as the broker stores it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The job.
    pub key: JobKey,
    /// Which subject it is on.
    pub place: Place,
    /// Its sequence in its stream. Queue and schedule share a stream, so that their sequences compare.
    pub seq: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
    /// In [`Place::Schedule`]: when the broker moves it to the queue. `None` elsewhere.
    pub due_at: Option<Timestamp>,
    /// In [`Place::Queue`]: whether a worker holds it. `false` elsewhere.
    pub delivered: bool,
    /// Headers and body.
    pub message: WireMessage,
}

/// A message of a job whose arguments were moved into a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgsMoved {
    /// The message without its arguments.
    pub message: WireMessage,
    /// The blob that it names.
    pub blob: BlobRef,
    /// The arguments, which the blob has to hold.
    pub args: Bytes,
}

impl Stored {
    /// Reads the job from a message in a queue or a schedule.
    ///
    /// # Errors
    /// [`DecodeError`] if the body is not a job, or if the headers of a job that waits cannot be read.
    pub fn envelope(&self) -> Result<Envelope, DecodeError> {
        // The letter of such a job has headers of NAQ, and these bytes beside them.
        let waits = matches!(self.place, Place::Queue | Place::Schedule);
        if let Some(why) = self.message.unreadable().filter(|_| waits) {
            return Err(DecodeError::Headers(why.to_owned()));
        }
        Envelope::decode(&self.message, &self.meta())
    }

    /// Reads the final record from a message in [`Place::Record`].
    ///
    /// # Errors
    /// [`DecodeError`] if the body is not a record.
    pub fn record(&self) -> Result<FinalRecord, DecodeError> {
        FinalRecord::decode(&self.message, &self.meta())
    }

    /// Reads the dead letter from a message in [`Place::Dead`].
    pub fn dead_letter(&self) -> DeadLetter {
        DeadLetter::from_message(&self.message, self.seq, self.stored_at)
    }

    /// The dead letter that belongs to a message in [`Place::Record`], for a worker that crashed after it
    /// wrote the record and before it wrote the letter. `None` if the job did not die. A record that had
    /// to be short has no history; then the letter gets the body of `job`, the message of the job.
    pub fn letter_of_record(&self, job: &WireMessage) -> Option<DeadLetter> {
        let record = self.record().ok().filter(|record| record.state == JobState::Dead)?;
        let complete = Some(&record.envelope).filter(|envelope| !envelope.history.is_empty());
        let letter = self.dead_letter();
        Some(match complete.and_then(|envelope| envelope.encode().ok()) {
            Some(body) => DeadLetter { body, ..letter },
            None => DeadLetter {
                content_type: job.header(headers::CONTENT_TYPE).map(str::to_owned),
                body: job.body.clone(),
                ..letter
            },
        })
    }

    /// The message for another due time. Only the due time in the body changes; the step stays the same.
    /// A body that cannot be decoded or written again stays unchanged.
    pub fn due_again(&self, due_at: Timestamp) -> WireMessage {
        let rewritten = self.envelope().ok().and_then(|mut job| {
            job.due_at = Some(due_at);
            job.encode().ok()
        });
        let body = rewritten.unwrap_or_else(|| self.message.body.clone());
        let message = self.message.with_body(body);
        match message.step() {
            Some(_) => message,
            // Its step came from its sequence, which changes when the message is stored again.
            None => message.with(headers::STEP, self.step().to_string()),
        }
    }

    /// The message with its arguments in `blob`, and those arguments. Everything else of it stays: it may be a
    /// job, a record or a dead letter. `None` if its body cannot be read, or if its arguments are in
    /// a blob already.
    pub fn with_args_in(&self, blob: impl FnOnce(usize) -> BlobRef) -> Option<ArgsMoved> {
        let mut job = Envelope::decode(&self.message, &self.meta()).ok()?;
        if job.args_blob.is_some() {
            return None;
        }
        let blob = blob(job.args.bytes().len());
        job.args_blob = Some(blob.clone());
        let message = self.message.with_body(job.encode().ok()?);
        Some(ArgsMoved { message, blob, args: job.args.bytes().clone() })
    }

    /// Whether the job of this message has its arguments in `blob`.
    pub fn names_blob(&self, blob: &BlobRef) -> bool {
        let job = Envelope::decode(&self.message, &self.meta()).ok();
        job.and_then(|job| job.args_blob).is_some_and(|named| named == *blob)
    }

    /// The step of the job: from the header, or for a message that another program wrote, from its body
    /// and its sequence.
    pub fn step(&self) -> Step {
        self.message.step().unwrap_or_else(|| match self.envelope() {
            Ok(envelope) => envelope.step(),
            Err(_) => {
                Step { nonce: Nonce::of_message(self.seq, self.stored_at), attempt: 1, snoozes: 0 }
            }
        })
    }

    /// Whether both are the same message. Its sequence alone does not say so: a stream that was removed
    /// and made again, or a broker that lost its newest messages, gives the same sequences to others.
    pub fn is_same_message(&self, other: &Self) -> bool {
        self.seq == other.seq
            && self.place == other.place
            && self.stored_at == other.stored_at
            && self.key == other.key
            && self.step() == other.step()
    }

    fn meta(&self) -> MessageMeta {
        MessageMeta {
            queue: self.key.queue.clone(),
            id: self.key.id.clone(),
            seq: self.seq,
            stored_at: self.stored_at,
        }
    }
}
