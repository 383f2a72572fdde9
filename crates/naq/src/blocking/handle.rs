//! [`JobHandle`]: an enqueued job, as `send` returns it.

use std::fmt;
use std::time::Duration;

use naq_client::{ClientError, JobHandle as AsyncHandle, JobReport, WaitError};
use naq_core::transport::JobKey;
use naq_core::{JobId, QueueName};
use serde::de::DeserializeOwned;

use super::Client;

/// A job that the broker has stored. `O` is the type that its handler returns.
pub struct JobHandle<O> {
    client: Client,
    inner: AsyncHandle<O>,
}

impl<O> JobHandle<O> {
    pub(super) fn new(client: &Client, inner: AsyncHandle<O>) -> Self {
        Self { client: client.clone(), inner }
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        self.inner.id()
    }

    /// The job's queue.
    pub fn queue(&self) -> &QueueName {
        self.inner.queue()
    }

    /// Whether the enqueue added no job, because a job with this id or unique key existed already.
    pub fn is_duplicate(&self) -> bool {
        self.inner.is_duplicate()
    }

    /// The job that holds the unique key, if the enqueue added no job because of the key. It is the job
    /// of this handle.
    pub fn held_by(&self) -> Option<&JobKey> {
        self.inner.held_by()
    }

    /// The job's state and history.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn report(&self) -> Result<JobReport, ClientError> {
        let key =
            naq_core::transport::JobKey { queue: self.queue().clone(), id: self.id().clone() };
        self.client.report(&key)
    }
}

impl<O: DeserializeOwned + Send + 'static> JobHandle<O> {
    /// Waits until the job has ended, and returns its result; see [`naq_client::JobHandle::wait`].
    ///
    /// # Errors
    /// [`WaitError`]: the job did not complete, or it has not ended after `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<O, WaitError> {
        let job = self.inner.clone();
        self.client.thread.wait(async move { job.wait(timeout).await })
    }

    /// The result. `None` if the job has not completed, or if the broker has no record of it.
    ///
    /// # Errors
    /// [`ClientError`]; `Decode` if the stored result is not an `O`.
    pub fn result(&self) -> Result<Option<O>, ClientError> {
        let job = self.inner.clone();
        self.client.thread.wait(async move { job.result().await })
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
