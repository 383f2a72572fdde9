//! [`JobReport`]: all that the broker knows of one job, read from its messages.

use naq_core::clock::Timestamp;
use naq_core::names::{JobId, JobKey, QueueName};
use naq_core::state::JobState;
use naq_core::transport::{BlobRef, Evidence, Place, Stored, stale, waiting_state};
use naq_core::wire::{DeadLetter, Envelope, Payload, headers};

use crate::{CheckpointInfo, Client, ClientError, Progress, Signer};

/// One job as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// The job's key.
    pub key: JobKey,
    /// Its state.
    pub state: JobState,
    /// The job itself; `None` for a dead letter that could not be decoded.
    pub envelope: Option<Envelope>,
    /// Why it died, if it is dead.
    pub dead: Option<DeadLetter>,
    /// Its arguments, decrypted if the client has the key. None if the job cannot be decoded, or if
    /// nothing has tried to decrypt them.
    pub args: Option<Payload>,
    /// The id of the key with which its arguments are stored, and all else that is encrypted of it.
    pub encrypted_with: Option<String>,
    /// When it will run, if it waits for its time.
    pub due_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub finished_at: Option<Timestamp>,
    /// What the handler returned.
    pub result: Option<Payload>,
    /// The blob of the result, if the result is too large for the record.
    pub result_blob: Option<BlobRef>,
    /// The jobs that it waits for, if it is blocked.
    pub waits_for: Vec<JobKey>,
    /// The progress that its handler last reported. Only of a job that has not completed.
    pub progress: Option<Progress>,
    /// The checkpoint that its next attempt starts from. Only of a job that has not completed.
    pub checkpoint: Option<CheckpointInfo>,
    /// Who signed it, as far as the client knows. None for a job that is not signed.
    pub signer: Option<Signer>,
    /// The message that this report was read from.
    pub stored: Stored,
}

impl JobReport {
    /// Reads the job's state from all messages that the broker has of it: the newest life that has
    /// not ended, or else the newest end. `None` when there are no messages.
    pub fn resolve(messages: &[Stored]) -> Option<Self> {
        let evidence: Vec<Evidence> = messages.iter().map(Evidence::from).collect();
        let live = messages
            .iter()
            .zip(&evidence)
            .filter(|(m, _)| matches!(m.place, Place::Queue | Place::Schedule))
            .filter(|(m, e)| stale(&e.step, m.seq, &evidence).is_none())
            .max_by_key(|(m, _)| m.seq);
        if let Some((live, _)) = live {
            return Some(Self::read(live));
        }
        // An end may have the same time, in milliseconds, as the message that it settled.
        let end = |m: &Stored| (matches!(m.place, Place::Dead | Place::Record), m.stored_at);
        let (last, end) = messages.iter().zip(&evidence).max_by_key(|(m, _)| end(m))?;
        // The letter of a dead job contains more than its record, and can be requeued.
        let of_death = |e: &Evidence| e.place == Place::Dead && e.step.nonce == end.step.nonce;
        let letter = messages.iter().zip(&evidence).find(|(_, e)| end.died && of_death(e));
        Some(Self::read(letter.map_or(last, |(letter, _)| letter)))
    }

    fn read(stored: &Stored) -> Self {
        let mut report = Self {
            key: stored.key.clone(),
            state: JobState::Pending,
            envelope: None,
            dead: None,
            args: None,
            encrypted_with: None,
            due_at: stored.due_at,
            finished_at: None,
            result: None,
            result_blob: None,
            waits_for: Vec::new(),
            progress: None,
            checkpoint: None,
            signer: None,
            stored: stored.clone(),
        };
        match stored.place {
            Place::Queue => {
                report.envelope = stored.envelope().ok();
                report.state = if stored.delivered { JobState::Running } else { JobState::Pending };
            }
            Place::Schedule => {
                report.envelope = stored.envelope().ok();
                report.state = waiting_state(report.envelope.as_ref());
            }
            Place::Dead => {
                let letter = stored.dead_letter();
                report.envelope = stored.envelope().ok();
                report.finished_at = Some(letter.died_at);
                report.dead = Some(letter);
                report.state = JobState::Dead;
            }
            Place::Record => match stored.record() {
                Ok(record) => {
                    report.dead = stored.letter_of_record(&stored.message);
                    report.state = record.state;
                    report.finished_at = Some(record.finished_at);
                    report.result = record.result;
                    let blob = stored.message.header(headers::RESULT);
                    report.result_blob = blob.and_then(|blob| blob.parse().ok());
                    report.envelope = Some(record.envelope);
                }
                // A message at this place is an end, even if its content cannot be read.
                Err(_) => report.state = JobState::Completed,
            },
        }
        report
    }

    /// The error for an action that this state does not allow.
    pub(crate) fn state_error(&self, why: &'static str) -> ClientError {
        ClientError::State { id: self.key.id.clone(), state: self.state, why }
    }
}

impl Client {
    /// Finds a job by its id, in `queue` or in any queue.
    ///
    /// # Errors
    /// [`ClientError`], such as [`ClientError::NoJob`] and [`ClientError::Ambiguous`].
    pub async fn job(
        &self,
        id: &JobId,
        queue: Option<&QueueName>,
    ) -> Result<JobReport, ClientError> {
        let queue = match queue {
            Some(queue) => queue.clone(),
            None => {
                let mut queues = self.transport.find(id).await?;
                match queues.len() {
                    0 => return Err(ClientError::NoJob(id.clone())),
                    1 => queues.remove(0),
                    _ => return Err(ClientError::Ambiguous { id: id.clone(), queues }),
                }
            }
        };
        self.report(&JobKey::new(queue, id.clone())).await
    }

    /// All that the broker knows of the job.
    ///
    /// # Errors
    /// [`ClientError`], such as [`ClientError::NoJob`].
    pub async fn report(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let messages = self.transport.locate(key).await?;
        let report = JobReport::resolve(&messages);
        let mut report = report.ok_or_else(|| ClientError::NoJob(key.id.clone()))?;
        let job = report.envelope.as_ref();
        report.signer = job.and_then(|job| Signer::of(job, &self.trusted_keys));
        self.add_saved(&mut report).await?;
        self.add_large_result(&mut report).await?;
        if report.state == JobState::Blocked {
            self.add_parents_to_report(&mut report).await?;
        }
        Ok(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naq_core::names::TaskName;
    use naq_core::transport::Fact;
    use naq_core::wire::{Codec, FinalRecord};

    #[test]
    fn an_end_wins_over_a_message_of_the_same_millisecond_in_any_order() {
        let (queue, id) = (QueueName::default(), JobId::random());
        let now = Timestamp::from_millis(7);
        let task = TaskName::new("t").expect("a name");
        let job = Envelope::new(queue.clone(), id.clone(), task, Payload::null(Codec::Json), now);
        let message = job.to_message().expect("writes");
        let queued = Stored {
            key: JobKey::new(queue, id),
            place: Place::Queue,
            seq: 1,
            stored_at: now,
            due_at: None,
            delivered: true,
            message,
        };
        let state = JobState::Expired;
        let record = FinalRecord { envelope: job, state, finished_at: now, result: None };
        let fact = Fact::record(&queued, &record).expect("writes").expect("wanted");
        let ended = Stored { place: Place::Record, message: fact.message, ..queued.clone() };
        for messages in [[queued.clone(), ended.clone()], [ended, queued]] {
            assert_eq!(JobReport::resolve(&messages).expect("a job").state, state);
        }
    }
}
