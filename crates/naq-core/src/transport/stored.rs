//! A job's message where it stands in the broker.

use crate::clock::Timestamp;
use crate::names::JobKey;
use crate::state::JobState;
use crate::wire::{
    Arrival, DeadLetter, DecodeError, Envelope, FinalRecord, Nonce, Step, WireMessage, headers,
};

/// Which of a job's four subjects a message stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// `naq.q.<queue>.<id>`: pending or running.
    Queue,
    /// `naq.s.<queue>.<id>`: waits for its time.
    Schedule,
    /// `naq.d.<queue>.<id>`: dead letter.
    Dead,
    /// `naq.r.<queue>.<id>`: final record.
    Record,
}

/// A message that the broker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Of which job.
    pub key: JobKey,
    /// Where it stands.
    pub place: Place,
    /// Its sequence in its stream. Queue and schedule share a stream, so theirs compare.
    pub seq: u64,
    /// When the broker stored it.
    pub stored_at: Timestamp,
    /// In [`Place::Schedule`]: when the broker will move it to the queue.
    pub due_at: Option<Timestamp>,
    /// In [`Place::Queue`]: whether a worker has it.
    pub delivered: bool,
    /// Headers and body.
    pub message: WireMessage,
}

impl Stored {
    /// The job, from a message in a queue or a schedule.
    ///
    /// # Errors
    /// [`DecodeError`] when the body is no job.
    pub fn envelope(&self) -> Result<Envelope, DecodeError> {
        Envelope::decode(&self.message, &self.arrival())
    }

    /// The final record, from a message in [`Place::Record`].
    ///
    /// # Errors
    /// [`DecodeError`] when the body is no record.
    pub fn record(&self) -> Result<FinalRecord, DecodeError> {
        FinalRecord::decode(&self.message, &self.arrival())
    }

    /// The dead letter, from a message in [`Place::Dead`].
    pub fn dead_letter(&self) -> DeadLetter {
        DeadLetter::from_message(&self.message, self.seq, self.stored_at)
    }

    /// The dead letter that belongs to a message in [`Place::Record`], for the case that whoever
    /// wrote the record did not live to write the letter. None for a job that did not die. The body
    /// is that of `job` where the record has none of its own: it had to be short.
    pub fn letter_of_record(&self, job: &WireMessage) -> Option<DeadLetter> {
        let record = self.record().ok().filter(|record| record.state == JobState::Dead)?;
        let told = Some(&record.envelope).filter(|envelope| !envelope.history.is_empty());
        let letter = self.dead_letter();
        Some(match told.and_then(|envelope| envelope.encode().ok()) {
            Some(body) => DeadLetter { body, ..letter },
            None => DeadLetter {
                content_type: job.header(headers::CONTENT_TYPE).map(str::to_owned),
                body: job.body.clone(),
                ..letter
            },
        })
    }

    /// Its message for another due time: of the same step, and the same but for the due time in the
    /// body. What cannot be decoded, or written again, stays as it is.
    pub fn due_again(&self, due_at: Timestamp) -> WireMessage {
        let rewritten = self.envelope().ok().and_then(|mut job| {
            job.due_at = Some(due_at);
            job.encode().ok()
        });
        let body = rewritten.unwrap_or_else(|| self.message.body.clone());
        let message = self
            .message
            .headers()
            .fold(WireMessage::new(body), |message, (name, value)| message.with(name, value));
        match message.step() {
            Some(_) => message,
            // It was known by its sequence, which is another one from now on.
            None => message.with(headers::STEP, self.step().to_string()),
        }
    }

    /// Where its life stands: what NAQ wrote into the header, or for a message from elsewhere what
    /// its body and sequence say.
    pub fn step(&self) -> Step {
        self.message.step().unwrap_or_else(|| match self.envelope() {
            Ok(envelope) => envelope.step(),
            Err(_) => Step { nonce: Nonce::from_sequence(self.seq), attempt: 1, snoozes: 0 },
        })
    }

    fn arrival(&self) -> Arrival {
        Arrival {
            queue: self.key.queue.clone(),
            id: self.key.id.clone(),
            seq: self.seq,
            stored_at: self.stored_at,
        }
    }
}
