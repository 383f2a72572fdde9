//! Requeue: give a dead job a new life.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::retry::Rule;
use naq_core::sign::verify;
use naq_core::state::JobState;
use naq_core::transport::{Place, Receipt, Stored, Submission, TransportError, stale};
use naq_core::wire::{
    AttemptOutcome, AttemptRecord, Codec, EncodeError, Envelope, Nonce, Step, WireMessage, headers,
};

use crate::unique::{KeyAnswer, KeyRequest};
use crate::{Client, ClientError};

impl Client {
    /// Gives a dead job a new life, due after `delay` or at once. It has the same arguments, headers
    /// and policy; attempts count from 1 again, crashes from 0, and the history is kept. A body that
    /// could not be decoded goes back byte for byte.
    ///
    /// A repeated call starts no second life: if the letter is gone, it has been requeued or purged,
    /// and nothing happens. A crash may leave both the letter and the new life. The nonce of the new
    /// life is made from the letter's sequence, so a repeated call finds the messages of that life.
    /// The last of them is its record, which the broker keeps for an hour by default. Repeat the call
    /// before the record expires.
    ///
    /// # Errors
    /// In these cases the letter stays: [`ClientError::State`] while another job of this id has not
    /// ended, because only one job of an id can wait, and one job would replace the other;
    /// [`ClientError::Unique`] while another job holds the job's unique key. Other kinds of
    /// [`ClientError`].
    pub async fn requeue(
        &self,
        letter: &Stored,
        delay: Option<Duration>,
    ) -> Result<Receipt, ClientError> {
        let due_at = match delay {
            Some(delay) => Some(self.broker_now().await? + delay),
            None => None,
        };
        self.requeue_at(letter, due_at).await
    }

    /// Like [`requeue`](Self::requeue), due at `due_at` or at once.
    pub(crate) async fn requeue_at(
        &self,
        letter: &Stored,
        due_at: Option<Timestamp>,
    ) -> Result<Receipt, ClientError> {
        if !self.letter_exists(letter).await? {
            return Ok(Receipt::Duplicate);
        }
        let nonce = Nonce::of_requeue(letter.seq, letter.stored_at);
        let now = self.clock.now();
        let evidence = self.transport.evidence(std::slice::from_ref(&letter.key)).await?.concat();
        let dead = letter.step().nonce;
        // A requeue by an earlier release, which crashed. But a letter of that very life is another one,
        // with the same sequence.
        let earlier = Nonce::from_requeue(letter.seq);
        let is_next = |life: &Nonce| *life == nonce || (*life == earlier && dead != earlier);
        let begun = evidence.iter().any(|message| is_next(&message.step.nonce));
        // An ended job may still have a message in the queue for a moment, until its ack arrives.
        let other = evidence.iter().find(|message| {
            matches!(message.place, Place::Queue | Place::Schedule)
                && message.step.nonce != dead
                && stale(&message.step, message.seq, &evidence).is_none()
        });
        if let Some(other) = other.filter(|_| !begun) {
            let state = match other.place {
                Place::Schedule => JobState::Scheduled,
                _ => JobState::Pending,
            };
            let why = "another job of this id has not ended: requeue this one after its end";
            return Err(ClientError::State { id: letter.key.id.clone(), state, why });
        }
        // Before the publish, because the new life hides the old message.
        if evidence.iter().any(|it| it.place == Place::Queue && it.step.nonce == dead) {
            self.remove_leftovers(letter).await?;
        }
        let receipt = if begun {
            Receipt::Duplicate
        } else {
            let blocked = self.still_blocked(letter).await?;
            let submission = Submission {
                key: letter.key.clone(),
                due_at,
                dedup: format!("{}/{nonce}/requeue", letter.key.id),
                unique: false,
                message: self.next_life(letter, nonce, now, due_at, blocked)?,
            };
            self.publish_next_life(letter, submission).await?
        };
        self.transport.remove(letter).await?;
        Ok(receipt)
    }

    /// True if the new life has to wait for its parents. For most jobs they ended before the job
    /// died. But some jobs die before the worker checks them.
    async fn still_blocked(&self, letter: &Stored) -> Result<bool, TransportError> {
        let job = letter.envelope().ok().filter(|job| job.first_started_at.is_none());
        match job.and_then(|job| job.depends_on) {
            Some(depends) if never_passed_gates(letter.dead_letter().rule) => {
                self.any_live(&depends.on).await
            }
            _ => Ok(false),
        }
    }

    /// True if this letter is still in the dead letter queue.
    async fn letter_exists(&self, letter: &Stored) -> Result<bool, TransportError> {
        let queue = Some(&letter.key.queue);
        let page = self.transport.dead_letters(queue, letter.seq, 1).await?;
        Ok(page.letters.iter().any(|found| found.is_same_message(letter)))
    }

    /// Publishes the new life. Takes its unique key first, if it has one.
    async fn publish_next_life(
        &self,
        letter: &Stored,
        submission: Submission,
    ) -> Result<Receipt, ClientError> {
        // The limit of the broker may have been lowered since the job was enqueued.
        let submission = self.fit_args(submission).await?;
        let Some(request) = KeyRequest::of_next_life(letter, submission.message.step()) else {
            return Ok(self.transport.publish(submission).await?);
        };
        let keys = self.unique_keys();
        match keys.take_key(&submission, &request).await? {
            KeyAnswer::HeldBy(holder) => Err(ClientError::Unique {
                id: letter.key.id.clone(),
                key: request.text().to_owned(),
                holder,
            }),
            KeyAnswer::Taken(revision) => {
                let receipt = self.transport.publish(submission).await;
                Ok(keys.after_send(&request, revision, receipt).await?)
            }
        }
    }

    /// The message of the new life. `blocked` is true if the job still has to wait for its parents.
    fn next_life(
        &self,
        letter: &Stored,
        nonce: Nonce,
        now: Timestamp,
        due_at: Option<Timestamp>,
        blocked: bool,
    ) -> Result<WireMessage, ClientError> {
        let Ok(mut job) = letter.envelope() else {
            let content_type = letter.message.header(headers::CONTENT_TYPE);
            let message = WireMessage::new(letter.message.body.clone())
                .with(headers::CONTENT_TYPE, content_type.unwrap_or(Codec::Json.content_type()))
                .with(headers::STEP, Step { nonce, attempt: 1, snoozes: 0 }.to_string());
            return Ok(message);
        };
        let mut entry = AttemptRecord::new(job.attempt, AttemptOutcome::Requeued);
        entry.ended_at = Some(now);
        job.record(entry);
        let origin = job.origin.take().unwrap_or(job.nonce);
        job.origin = Some(origin);
        job.nonce = nonce;
        job.attempt = 1;
        job.crashes = 0;
        job.snoozes = 0;
        job.first_started_at = None;
        job.due_at = due_at;
        if let Some(depends) = job.depends_on.as_mut().filter(|_| !blocked) {
            depends.waived = true;
        }
        // A deadline that has passed is dropped, because with it the new life would expire at once.
        if job.deadline.is_some_and(|deadline| deadline <= now) {
            self.without_deadline(&mut job)?;
        }
        Ok(job.to_message()?)
    }

    /// The signature covers the deadline. So this client signs the job in place of its producer, if the
    /// signature was valid: a forged job is not signed. Without a key the job is not signed any more.
    fn without_deadline(&self, job: &mut Envelope) -> Result<(), EncodeError> {
        let was_valid = verify(job, &self.trusted_keys).is_ok();
        job.deadline = None;
        job.signature = None;
        match &self.signing_key {
            Some(key) if was_valid => key.sign(job),
            _ => Ok(()),
        }
    }
}

/// Whether a job that died by this rule died before a worker looked at its parents.
fn never_passed_gates(rule: Rule) -> bool {
    matches!(rule, Rule::UnknownTask | Rule::Signature | Rule::Encryption | Rule::Arguments)
}
