//! [`Wake`]: the chore that notifies the dependents of a job that has ended.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::{Job, JobOptions};
use naq_core::names::{CHORES, JobId, JobKey, QueueName, TaskName};
use naq_core::retry::{RetryPolicy, Strategy, fnv1a};
use naq_core::state::JobState;
use naq_core::transport::Submission;
use naq_core::wire::{Codec, EncodeError, Envelope, Nonce, Payload};
use serde::{Deserialize, Serialize};

use crate::{Client, ClientError, JobReport};

/// The end of a job that other jobs wait for. The worker or client that writes the record of the end
/// enqueues this chore before its next step. A worker that finds the record after a crash enqueues
/// it again. Both chores have the same id, and a second run changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wake {
    /// The job that has ended.
    pub job: JobKey,
    /// The life that has ended.
    pub life: String,
    /// How it ended.
    pub state: JobState,
}

impl Job for Wake {
    const NAME: &'static str = "naq.wake";
    type Output = ();

    /// The chore runs in the queue of NAQ's own jobs. Workers retry it for about a day.
    fn options() -> JobOptions {
        let policy = RetryPolicy::builder()
            .max_retries(1500)
            .delay(Duration::from_secs(1))
            .strategy(Strategy::Exponential)
            .max_delay(Duration::from_secs(60))
            // High, because the chore itself does not crash its worker.
            .max_crashes(1000)
            .build();
        JobOptions::new().queue(CHORES).policy(policy).record_ttl(Duration::ZERO)
    }
}

impl Wake {
    /// The chore for the end of this life of the job.
    pub fn new(job: JobKey, life: &Nonce, state: JobState) -> Self {
        Self { job, life: life.to_string(), state }
    }

    /// The chore's id. Each end has one id.
    fn id(&self) -> String {
        let Self { job, life, .. } = self;
        let start = format!("wake-{}-{}-{life}", job.queue, job.id);
        let start: String = start.chars().take(JobId::MAX_LEN - 17).collect();
        // Names may contain dashes, so only the hash tells where each name starts and ends.
        format!("{start}-{:016x}", fnv1a(&format!("{job}/{life}")))
    }

    /// The chore, ready to be published.
    ///
    /// # Errors
    /// [`EncodeError`] when it cannot be encoded.
    ///
    /// # Panics
    /// Never: its names are valid.
    pub fn submission(&self, now: Timestamp) -> Result<Submission, EncodeError> {
        let queue = QueueName::new(CHORES).unwrap_or_else(|err| panic!("{err}"));
        let id = JobId::new(self.id()).unwrap_or_else(|err| panic!("{err}"));
        let task = TaskName::new(Self::NAME).unwrap_or_else(|err| panic!("{err}"));
        let args = Payload::encode(Codec::Json, self)?;
        let options = Self::options();
        let mut chore = Envelope::new(queue, id, task, args, now);
        chore.policy = options.policy.unwrap_or_default();
        chore.record_ttl = options.record_ttl.unwrap_or_default();
        Ok(Submission {
            dedup: chore.id.to_string(),
            due_at: None,
            unique: false,
            message: chore.to_message()?,
            key: JobKey::new(chore.queue, chore.id),
        })
    }
}

impl Client {
    /// Enqueues the chore that notifies the dependents of an ended job.
    pub(crate) async fn enqueue_wake(
        &self,
        ended: &JobReport,
        state: JobState,
    ) -> Result<(), ClientError> {
        let wake = Wake::new(ended.key.clone(), &ended.stored.step().nonce, state);
        self.transport.publish(wake.submission(self.clock.now())?).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wake(job: &str, life: &str) -> Wake {
        let job = job.parse().expect("a key");
        Wake::new(job, &Nonce::parse(life).expect("a nonce"), JobState::Completed)
    }

    #[test]
    fn each_end_has_its_own_chore() {
        let now = Timestamp::from_millis(1000);
        let long = format!("default/{}", "x".repeat(JobId::MAX_LEN));
        let ids = [
            ("default/a", "1"),
            ("default/a", "2"),
            ("default/b", "1"),
            (long.as_str(), "1"),
            (long.as_str(), "2"),
            ("a/b-x", "1"),
            ("a-b/x", "1"),
        ]
        .map(|(job, life)| wake(job, life).submission(now).expect("writes").dedup);
        assert!(ids[0].starts_with("wake-default-a-1-"), "{ids:?}");
        assert_eq!(ids[0], wake("default/a", "1").id());
        let apart: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(apart.len(), ids.len(), "{ids:?}");
        assert_eq!(ids[3].len(), JobId::MAX_LEN);
    }
}
