//! [`FollowUp::submission`]: the job that follows one death.

use super::FollowUp;
use crate::names::{JobId, JobKey};
use crate::transport::Submission;
use crate::wire::{DeadLetter, EncodeError, Envelope};

impl FollowUp {
    /// The follow-up job of `dead`, whose dead letter is `letter`. Its id is
    /// `exhausted-QUEUE-ID-LIFE`, so that the same death always gives the same job. `with_args` puts
    /// the arguments of the dead job into the summary.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] if the dead job was nearly as large as a job may be. Then call this
    /// again without the arguments.
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Timestamp;
    use crate::failure::ErrorKind;
    use crate::names::{QueueName, TaskName};
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
    fn the_arguments_describe_the_death_in_the_codec_of_the_dead_job() {
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
