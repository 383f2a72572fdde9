//! [`Client::run_again`]: a new job like one that has ended.

use naq_core::job::JobOptions;
use naq_core::names::{NameError, TaskName};
use naq_core::wire::{Envelope, Payload};
use serde::Serialize;

use crate::enqueue::LargeArgs;
use crate::{Client, ClientError, Enqueue, JobReport};

impl Client {
    /// Prepares a new job like one that has ended: the same task, arguments, queue, policy, timeout, record
    /// time, limits, follow-up and tags, with a new id. Arguments that were stored beside the job are stored beside the
    /// new one. It has no unique key, no deadline and no parents.
    /// Change what you like, and `.await` it. The other job stays as it is.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client, id: naq_core::JobId) -> Result<(), Box<dyn std::error::Error>> {
    /// let report = client.job(&id, None).await?;
    /// let handle = client.run_again(&report)?.max_retries(9).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::State`] for a job that has not ended, for a job whose message cannot be decoded, and for
    /// a job whose arguments are not stored any more, or are encrypted with a key that this client does
    /// not have.
    pub fn run_again(
        &self,
        job: &JobReport,
    ) -> Result<Enqueue<'_, serde_json::Value>, ClientError> {
        if !job.state.is_final() {
            return Err(job.state_error("only a job that has ended can run again"));
        }
        let Some(envelope) = &job.envelope else {
            return Err(job.state_error("its message cannot be read as a job"));
        };
        let args = job.args.clone().unwrap_or_else(|| envelope.args.clone());
        if args.encrypted_with().is_some() {
            return Err(
                job.state_error("its arguments are encrypted, and this client lacks the key")
            );
        }
        if args.is_compressed() {
            return Err(job.state_error("its arguments cannot be decompressed"));
        }
        if are_args_gone(envelope, &args) {
            return Err(job.state_error("its arguments are not stored any more"));
        }
        let options = JobOptions {
            queue: Some(envelope.queue.clone()),
            policy: Some(envelope.policy.clone()),
            timeout: envelope.timeout,
            record_ttl: Some(envelope.record_ttl),
            tags: envelope.tags.clone(),
            on_exhausted: envelope.on_exhausted.clone(),
            limits: envelope.limits.clone(),
            ..JobOptions::default()
        };
        let again = Enqueue::of_payload(self, envelope.task.clone(), args, options);
        Ok(match envelope.args_blob {
            Some(_) => again.large_args(LargeArgs::Store),
            None => again,
        })
    }
}

/// True if the job had arguments that are gone: its record did not fit with them, or their blob was
/// removed at its end.
fn are_args_gone(job: &Envelope, args: &Payload) -> bool {
    let lost_blob = job.args_blob.is_some() && *args == Payload::null(job.codec);
    job.args_left_out || lost_blob
}

impl Enqueue<'_, serde_json::Value> {
    /// Replaces the arguments.
    pub fn args<A: Serialize + ?Sized>(mut self, args: &A) -> Self {
        self.args = Payload::encode(self.client.codec, args);
        self
    }

    /// Replaces the task.
    ///
    /// # Errors
    /// [`NameError`] when `task` is not a valid task name.
    pub fn task(mut self, task: impl AsRef<str>) -> Result<Self, NameError> {
        self.task = TaskName::new(task)?;
        Ok(self)
    }
}
