//! The dead letter queue: list, requeue, purge.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::failure::ErrorKind;
use naq_core::names::{CHORES, JobId, QueueName, TaskName};
use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::stats::pattern;
use naq_core::transport::{DeadPage, Place, Receipt, Stored, Submission, TransportError, stale};
use naq_core::wire::{AttemptOutcome, AttemptRecord, Codec, Nonce, Step, WireMessage, headers};
use serde::{Deserialize, Serialize};

use crate::unique::{Taken, Wanted};
use crate::{Client, ClientError};

/// Which dead letters. Everything that is set must fit; nothing set means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DeadFilter {
    /// Of this queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// With an error of this kind or below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_kind: Option<ErrorKind>,
    /// Of this task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
    /// With this id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<JobId>,
    /// With a message of this [pattern](naq_core::stats::pattern), and then of exactly the kind that is
    /// named: with a task, one error group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
}

/// A dead letter in one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadSummary {
    /// The job's id.
    pub id: JobId,
    /// Its queue.
    pub queue: QueueName,
    /// Its task, when the body could be read.
    pub task: Option<TaskName>,
    /// The attempt after which it died.
    pub attempt: u32,
    /// The kind of the last error.
    pub error_kind: ErrorKind,
    /// The message of the last error.
    pub message: String,
    /// The rule that ended it.
    pub rule: String,
    /// The decision in one sentence.
    pub reason: String,
    /// When it died.
    pub died_at: Timestamp,
    /// Its sequence in the dead letter queue.
    pub seq: u64,
}

impl DeadFilter {
    /// Whether this letter is meant. One of NAQ's own jobs is where its queue or its id is named.
    pub fn fits(&self, stored: &Stored) -> bool {
        let letter = stored.dead_letter();
        let queue_fits = match &self.queue {
            Some(queue) => *queue == stored.key.queue,
            // NAQ's own jobs are nobody's business, unless they are asked for.
            None => self.id.is_some() || stored.key.queue.as_str() != CHORES,
        };
        queue_fits
            && self.id.as_ref().is_none_or(|id| *id == stored.key.id)
            && self.task.as_ref().is_none_or(|t| letter.task.as_ref() == Some(t))
            && self.error_kind.as_ref().is_none_or(|kind| match self.pattern {
                None => letter.error_kind.is(kind),
                Some(_) => letter.error_kind == *kind,
            })
            && self.pattern.as_ref().is_none_or(|p| pattern(&letter.message) == *p)
    }
}

impl From<&Stored> for DeadSummary {
    fn from(stored: &Stored) -> Self {
        let letter = stored.dead_letter();
        Self {
            id: stored.key.id.clone(),
            queue: stored.key.queue.clone(),
            task: letter.task,
            attempt: letter.step.attempt,
            error_kind: letter.error_kind,
            message: letter.message,
            rule: letter.rule.as_str().to_owned(),
            reason: letter.reason,
            died_at: letter.died_at,
            seq: stored.seq,
        }
    }
}

impl Client {
    /// A page of dead letters from sequence `from` on. The filter is applied to the page, so a page
    /// may be empty and not the last.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn dead_letters(
        &self,
        filter: &DeadFilter,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let mut page = self.transport.dead_letters(filter.queue.as_ref(), from, limit).await?;
        page.letters.retain(|letter| filter.fits(letter));
        Ok(page)
    }

    /// Gives a dead job another life, in `delay` or at once: the same arguments, headers and
    /// policy, attempts from 1, no crashes, its history kept. A body that could not be decoded goes
    /// back byte for byte.
    ///
    /// Repeating it begins no second life: a letter that is gone has been requeued or purged, and
    /// nothing happens. Nor does it after a crash, which leaves letter and new life: that is named
    /// after the letter, and a life of which there is a trace is not begun again. The last trace is
    /// its record, kept for an hour unless the job says otherwise: do not wait longer than that.
    ///
    /// # Errors
    /// [`ClientError::State`] while another job of this id is on its way: an id has one place to
    /// wait in, and one would push the other out; [`ClientError::Unique`] while another job holds its
    /// unique key. The letter stays. Others of [`ClientError`].
    pub async fn requeue(
        &self,
        letter: &Stored,
        delay: Option<Duration>,
    ) -> Result<Receipt, ClientError> {
        self.requeue_at(letter, delay.map(|delay| self.clock.now() + delay)).await
    }

    /// The same, due then or at once.
    pub(crate) async fn requeue_at(
        &self,
        letter: &Stored,
        due_at: Option<Timestamp>,
    ) -> Result<Receipt, ClientError> {
        if !self.stands(letter).await? {
            return Ok(Receipt::Duplicate);
        }
        let nonce = Nonce::from_requeue(letter.seq);
        let now = self.clock.now();
        let traces = self.transport.evidence(std::slice::from_ref(&letter.key)).await?.concat();
        let begun = traces.iter().any(|trace| trace.step.nonce == nonce);
        let dead = letter.step().nonce;
        // One that has ended may still stand there for a moment, until its ack arrives.
        let other = traces.iter().find(|trace| {
            matches!(trace.place, Place::Queue | Place::Schedule)
                && trace.step.nonce != dead
                && stale(&trace.step, trace.seq, &traces).is_none()
        });
        if let Some(other) = other.filter(|_| !begun) {
            let state = match other.place {
                Place::Schedule => JobState::Scheduled,
                _ => JobState::Pending,
            };
            let why = "another job of its id is on its way: requeue this one when that has ended";
            return Err(ClientError::State { id: letter.key.id.clone(), state, why });
        }
        // Before the new life pushes it out of sight.
        if traces.iter().any(|trace| trace.place == Place::Queue && trace.step.nonce == dead) {
            self.bury(letter).await?;
        }
        let receipt = if begun {
            Receipt::Duplicate
        } else {
            let submission = Submission {
                key: letter.key.clone(),
                due_at,
                dedup: format!("{}/{nonce}/requeue", letter.key.id),
                unique: false,
                message: next_life(letter, nonce, now, due_at, self.waits_still(letter).await?)?,
            };
            self.publish_next_life(letter, submission).await?
        };
        self.transport.remove(letter).await?;
        Ok(receipt)
    }

    /// Whether its next life waits for the jobs that it depends on. They have ended long since, but
    /// for one whose task nobody knew: it died before anybody looked after them.
    async fn waits_still(&self, letter: &Stored) -> Result<bool, TransportError> {
        let job = letter.envelope().ok().filter(|job| job.first_started_at.is_none());
        match job.and_then(|job| job.depends_on) {
            Some(depends) if letter.dead_letter().rule == Rule::UnknownTask => {
                self.any_live(&depends.on).await
            }
            _ => Ok(false),
        }
    }

    /// Whether the dead letter queue still holds this very letter.
    async fn stands(&self, letter: &Stored) -> Result<bool, TransportError> {
        let queue = Some(&letter.key.queue);
        let page = self.transport.dead_letters(queue, letter.seq, 1).await?;
        Ok(page.letters.iter().any(|found| found.seq == letter.seq))
    }

    /// With the key that the job wants, if it wants one.
    async fn publish_next_life(
        &self,
        letter: &Stored,
        submission: Submission,
    ) -> Result<Receipt, ClientError> {
        let Some(wanted) = Wanted::by_next_life(letter, submission.message.step()) else {
            return Ok(self.transport.publish(submission).await?);
        };
        match self.take(&submission, &wanted).await? {
            Taken::By(holder) => {
                let (id, key) = (letter.key.id.clone(), wanted.text().to_owned());
                Err(ClientError::Unique { id, key, holder })
            }
            Taken::Ours(revision) => {
                let receipt = self.transport.publish(submission).await;
                Ok(self.sent(&wanted, revision, receipt).await?)
            }
        }
    }

    /// Removes a dead letter for good. False when it is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn purge_dead(&self, letter: &Stored) -> Result<bool, TransportError> {
        self.bury(letter).await?;
        self.transport.remove(letter).await
    }

    /// Removes what the life that this letter ends has left in the queue. Whoever wrote the letter
    /// may have died before the ack: its message would come back, find the record of the death and
    /// no letter, and write it again.
    async fn bury(&self, letter: &Stored) -> Result<(), TransportError> {
        let nonce = letter.step().nonce;
        loop {
            let mut left = self.transport.locate(&letter.key).await?;
            left.retain(|it| it.place == Place::Queue && it.step().nonce == nonce);
            if left.is_empty() {
                return Ok(());
            }
            for message in &left {
                self.transport.remove(message).await?;
            }
        }
    }
}

fn next_life(
    letter: &Stored,
    nonce: Nonce,
    now: Timestamp,
    due_at: Option<Timestamp>,
    waits: bool,
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
    if let Some(depends) = job.depends_on.as_mut().filter(|_| !waits) {
        depends.waived = true;
    }
    // A deadline that has passed is what killed it: another life needs another one.
    job.deadline = job.deadline.filter(|deadline| *deadline > now);
    Ok(job.to_message()?)
}
