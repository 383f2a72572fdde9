//! [`FollowUp`]: the job that follows a death.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::names::{JobId, JobKey, NameError, QueueName, TaskName};
use crate::retry::RetryPolicy;
use crate::transport::Submission;
use crate::wire::{DeadLetter, EncodeError, Envelope};

/// The job that is enqueued when another has died, before its dead letter is acknowledged: exactly
/// one for each life that ends so, also when workers die over it. Its arguments are a summary of the
/// death; see [`DeadLetter::summary`].
///
/// ```
/// use naq_core::RetryPolicy;
/// use naq_core::flow::FollowUp;
///
/// let refund = FollowUp::new("order.refund").queue("money").policy(RetryPolicy::aggressive());
/// ```
#[must_use]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FollowUp {
    /// Its task.
    pub task: TaskName,
    /// Its queue; that of the dead job by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<QueueName>,
    /// Its retry policy; the conservative one by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<RetryPolicy>,
}

impl FollowUp {
    /// A job of this task, in the queue of the dead job, with the default policy.
    ///
    /// # Panics
    /// When `task` is no task name.
    pub fn new(task: impl AsRef<str>) -> Self {
        let task = TaskName::new(task).unwrap_or_else(|err| panic!("{err}"));
        Self { task, queue: None, policy: None }
    }

    /// The queue.
    ///
    /// # Panics
    /// When it is no queue name.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = Some(QueueName::new(queue).unwrap_or_else(|err| panic!("{err}")));
        self
    }

    /// The retry policy.
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The job itself, for `dead`, which this letter tells of: `exhausted-QUEUE-ID-LIFE`, always the
    /// same for the same death.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] when the dead job was nearly as large as a job may be: then its
    /// arguments have to be left out of the summary.
    pub fn submission(
        &self,
        letter: &DeadLetter,
        dead: &Envelope,
        with_args: bool,
    ) -> Result<Submission, EncodeError> {
        let life = dead.nonce.as_str();
        let id = JobId::derived(["exhausted", dead.queue.as_str(), dead.id.as_str(), life]);
        let queue = self.queue.clone().unwrap_or_else(|| dead.queue.clone());
        let args = letter.summary(dead, with_args)?;
        let mut job = Envelope::new(queue, id, self.task.clone(), args, letter.died_at);
        job.policy = self.policy.clone().unwrap_or_default();
        job.traceparent.clone_from(&dead.traceparent);
        Ok(Submission {
            dedup: job.id.to_string(),
            due_at: None,
            unique: true,
            message: job.to_message()?,
            key: JobKey::new(job.queue, job.id),
        })
    }
}

impl FromStr for FollowUp {
    type Err = NameError;

    /// `order.refund`, or `order.refund@money` for another queue.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let (task, queue) = match text.split_once('@') {
            Some((task, queue)) => (task, Some(QueueName::new(queue)?)),
            None => (text, None),
        };
        Ok(Self { task: TaskName::new(task)?, queue, policy: None })
    }
}

impl From<&str> for FollowUp {
    /// `order.refund`, or `order.refund@money`.
    ///
    /// # Panics
    /// When it is neither.
    fn from(text: &str) -> Self {
        text.parse().unwrap_or_else(|err| panic!("{err}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Timestamp;
    use crate::failure::ErrorKind;
    use crate::retry::Rule;
    use crate::wire::{Codec, Payload};

    fn death(codec: Codec) -> (DeadLetter, Envelope) {
        let args = Payload::encode(codec, &json!({"order": 7})).expect("writes");
        let id = JobId::new("order-7").expect("an id");
        let task = TaskName::new("order.ship").expect("a name");
        let now = Timestamp::from_millis(1000);
        let mut job = Envelope::new(QueueName::default(), id, task, args, now);
        job.attempt = 4;
        let letter = DeadLetter {
            step: job.step(),
            task: Some(job.task.clone()),
            error_kind: ErrorKind::CONNECTION,
            message: "no route".into(),
            rule: Rule::MaxRetries,
            reason: "attempt 4 of 4 failed".into(),
            died_at: now,
            content_type: None,
            body: job.encode().expect("writes"),
        };
        (letter, job)
    }

    #[test]
    fn the_arguments_tell_of_the_death_in_the_codec_of_the_dead_job() {
        for codec in [Codec::Json, Codec::MsgPack] {
            let (letter, dead) = death(codec);
            let summary = letter.summary(&dead, true).expect("writes");
            assert_eq!(summary.codec(), codec);
            assert_eq!(
                summary.decode::<Value>().expect("reads"),
                json!({
                    "args": {"order": 7}, "attempts": 4, "died_at": "1970-01-01T00:00:01.000Z",
                    "error_kind": "ConnectionError", "job": "order-7", "message": "no route",
                    "queue": "default", "reason": "attempt 4 of 4 failed", "rule": "max_retries",
                    "task": "order.ship",
                })
            );
            let without = letter.summary(&dead, false).expect("writes");
            assert_eq!(without.decode::<Value>().expect("reads")["args"], Value::Null);
        }
    }

    #[test]
    fn its_text_names_a_task_and_perhaps_a_queue() {
        assert_eq!("a.b".parse(), Ok(FollowUp::new("a.b")));
        assert_eq!("a.b@money".parse(), Ok(FollowUp::new("a.b").queue("money")));
        for bad in ["", "@money", "a.b@", "a b", "a@b@c"] {
            assert!(bad.parse::<FollowUp>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_death_has_the_same_follow_up_and_another_life_another() {
        let (letter, mut dead) = death(Codec::Json);
        let key = |dead: &Envelope| {
            let refund = FollowUp::new("order.refund").queue("money");
            refund.submission(&letter, dead, true).expect("writes").key
        };
        assert_eq!(key(&dead), key(&dead));
        let id = format!("exhausted-default-order-7-{}", dead.nonce);
        assert_eq!(key(&dead).to_string(), format!("money/{id}"));
        let before = key(&dead);
        dead.nonce = crate::wire::Nonce::random();
        assert_ne!(key(&dead), before);
    }
}
