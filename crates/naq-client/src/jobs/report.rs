//! [`JobReport`]: everything known of one job, read from where its messages stand.

use naq_core::clock::Timestamp;
use naq_core::names::{JobId, QueueName};
use naq_core::state::JobState;
use naq_core::transport::{BlobRef, Evidence, JobKey, Place, Stored, stale, waits_as};
use naq_core::wire::{DeadLetter, Envelope, Payload, headers};

use crate::{CheckpointInfo, Client, ClientError, Progress};

/// One job as an operator sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct JobReport {
    /// Which job.
    pub key: JobKey,
    /// Where it stands.
    pub state: JobState,
    /// The job itself; none for a dead letter that could not be decoded.
    pub envelope: Option<Envelope>,
    /// Why it died, if it did.
    pub dead: Option<DeadLetter>,
    /// When it will run, if it waits.
    pub due_at: Option<Timestamp>,
    /// When it ended, if it did.
    pub finished_at: Option<Timestamp>,
    /// What the handler returned.
    pub result: Option<Payload>,
    /// Where that is kept, when it is too large for the record.
    pub result_blob: Option<BlobRef>,
    /// Which jobs it waits for, if it is blocked.
    pub waits_for: Vec<JobKey>,
    /// How far its handler said that it had come, of a job that has not ended well.
    pub progress: Option<Progress>,
    /// What its next attempt starts from, of a job that has not ended well.
    pub checkpoint: Option<CheckpointInfo>,
    /// The message that says so.
    pub stored: Stored,
}

impl JobReport {
    /// Reads the state off what the broker holds of a job: the newest life that something of is
    /// still on its way, or else the way that the last one ended. None when it holds nothing.
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
        // An end may be as old, in whole milliseconds, as the message that it has settled.
        let end = |m: &Stored| (matches!(m.place, Place::Dead | Place::Record), m.stored_at);
        let (last, end) = messages.iter().zip(&evidence).max_by_key(|(m, _)| end(m))?;
        // Of a job that died the letter says more than its record, and can be requeued.
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
            due_at: stored.due_at,
            finished_at: None,
            result: None,
            result_blob: None,
            waits_for: Vec::new(),
            progress: None,
            checkpoint: None,
            stored: stored.clone(),
        };
        match stored.place {
            Place::Queue => {
                report.envelope = stored.envelope().ok();
                report.state = if stored.delivered { JobState::Running } else { JobState::Pending };
            }
            Place::Schedule => {
                report.envelope = stored.envelope().ok();
                report.state = waits_as(report.envelope.as_ref());
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
                // Its place says that it ended; what it says beyond that cannot be read.
                Err(_) => report.state = JobState::Completed,
            },
        }
        report
    }
}

impl Client {
    /// Finds a job by its id, in `queue` or wherever it is.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] and [`ClientError::Ambiguous`] among others.
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
        self.report(&JobKey { queue, id: id.clone() }).await
    }

    /// Everything known of the job.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] among others.
    pub async fn report(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let messages = self.transport.locate(key).await?;
        let report = JobReport::resolve(&messages);
        let mut report = report.ok_or_else(|| ClientError::NoJob(key.id.clone()))?;
        self.add_result(&mut report).await?;
        self.add_kept(&mut report).await?;
        if report.state == JobState::Blocked {
            self.add_blockers(&mut report).await?;
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
    fn an_end_of_the_same_millisecond_as_the_message_is_the_answer_in_any_order() {
        let (queue, id, now) = (QueueName::default(), JobId::random(), Timestamp::from_millis(7));
        let task = TaskName::new("t").expect("a name");
        let job = Envelope::new(queue.clone(), id.clone(), task, Payload::null(Codec::Json), now);
        let message = job.to_message().expect("writes");
        let (key, place) = (JobKey { queue, id }, Place::Queue);
        let queued =
            Stored { key, place, seq: 1, stored_at: now, due_at: None, delivered: true, message };
        let state = JobState::Expired;
        let record = FinalRecord { envelope: job, state, finished_at: now, result: None };
        let fact = Fact::record(&queued, &record).expect("writes").expect("wanted");
        let ended = Stored { place: Place::Record, message: fact.message, ..queued.clone() };
        for messages in [[queued.clone(), ended.clone()], [ended, queued]] {
            assert_eq!(JobReport::resolve(&messages).expect("a job").state, state);
        }
    }
}
