//! [`JobHandle`]: what enqueue returns.

use std::fmt;
use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::{Client, ClientError, JobReport};
use crate::names::{JobId, QueueName};
use crate::transport::JobKey;

/// A job that the broker has. `O` is what its handler returns.
pub struct JobHandle<O> {
    client: Client,
    key: JobKey,
    duplicate: bool,
    held: bool,
    output: PhantomData<fn() -> O>,
}

impl<O> JobHandle<O> {
    pub(super) fn new(client: Client, key: JobKey, duplicate: bool) -> Self {
        Self { client, key, duplicate, held: false, output: PhantomData }
    }

    /// The job that holds the key which another one wanted.
    pub(super) fn held_by_another(client: Client, holder: JobKey) -> Self {
        Self { held: true, ..Self::new(client, holder, true) }
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.key.id
    }

    /// The job's queue.
    pub fn queue(&self) -> &QueueName {
        &self.key.queue
    }

    /// Whether nothing was added: a job of this id was there already, or this job holds the key
    /// that the new one wanted.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The job that holds the [unique key](crate::Enqueue::unique), if that is why nothing was
    /// added. It is the job of this handle; its task may be another one.
    pub fn held_by(&self) -> Option<&JobKey> {
        self.held.then_some(&self.key)
    }

    /// Where it stands, with its history.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(&self) -> Result<JobReport, ClientError> {
        self.client.report(&self.key).await
    }
}

impl<O: DeserializeOwned> JobHandle<O> {
    /// The result, once the job has completed; none before, and when no record is kept.
    ///
    /// # Errors
    /// [`ClientError`]; `Decode` when what is stored is no `O`.
    pub async fn result(&self) -> Result<Option<O>, ClientError> {
        let report = self.report().await?;
        let Some(result) = report.result else { return Ok(None) };
        result
            .decode()
            .map(Some)
            .map_err(|source| ClientError::Decode { id: self.key.id.clone(), source })
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("key", &self.key).finish_non_exhaustive()
    }
}
