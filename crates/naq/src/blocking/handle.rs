//! [`JobHandle`]: what `send` returns.

use std::fmt;
use std::time::Duration;

use naq_client::{ClientError, JobHandle as AsyncHandle, JobReport, WaitError};
use naq_core::transport::JobKey;
use naq_core::{JobId, QueueName};
use serde::de::DeserializeOwned;

use super::Client;

/// A job that the broker has. `O` is what its handler returns.
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

    /// Whether a job of this id was there already, so that nothing was added.
    pub fn is_duplicate(&self) -> bool {
        self.inner.is_duplicate()
    }

    /// The job that holds the unique key, if that is why nothing was added: the job of this handle.
    pub fn held_by(&self) -> Option<&JobKey> {
        self.inner.held_by()
    }

    /// Where it stands, with its history.
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
    /// Waits until the job has ended, and gives what its handler returned; see
    /// [`naq_client::JobHandle::wait`].
    ///
    /// # Errors
    /// [`WaitError`], which says how else it ended, or that it has not after `timeout`.
    pub fn wait(&self, timeout: Duration) -> Result<O, WaitError> {
        let job = self.inner.clone();
        self.client.thread.wait(async move { job.wait(timeout).await })
    }

    /// The result, once the job has completed; none before, and when no record is kept.
    ///
    /// # Errors
    /// [`ClientError`]; `Decode` when what is stored is no `O`.
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
