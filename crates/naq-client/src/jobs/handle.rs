//! [`JobHandle`]: a job that was enqueued.

use std::fmt;
use std::marker::PhantomData;

use naq_core::names::{JobId, JobKey, QueueName};
use naq_core::wire::{Nonce, Step};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError, JobReport};

/// A job that the broker has stored. `O` is what its handler returns.
pub struct JobHandle<O> {
    pub(crate) client: Client,
    pub(crate) key: JobKey,
    /// The life that this handle's enqueue started; `None` if it added no job.
    pub(crate) life: Option<Nonce>,
    duplicate: bool,
    held: bool,
    output: PhantomData<fn() -> O>,
}

impl<O> JobHandle<O> {
    pub(crate) fn new(client: Client, key: JobKey, duplicate: bool) -> Self {
        Self { client, key, life: None, duplicate, held: false, output: PhantomData }
    }

    /// Sets the life, if the enqueue added the job.
    pub(crate) fn of_life(mut self, step: Option<Step>) -> Self {
        self.life = step.map(|step| step.nonce).filter(|_| !self.duplicate);
        self
    }

    /// The handle of the job that holds the unique key which the new job wanted.
    pub(crate) fn held_by_another(client: Client, holder: JobKey) -> Self {
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

    /// True if the enqueue added no job: a job of this id was there already, or the job of this
    /// handle holds the unique key that the new job wanted.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The job that holds the [unique key](crate::Enqueue::unique), if the enqueue added no job for
    /// that reason. It is the job of this handle; its task may be a different one.
    pub fn held_by(&self) -> Option<&JobKey> {
        self.held.then_some(&self.key)
    }

    /// The job's state and its history.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(&self) -> Result<JobReport, ClientError> {
        self.client.report(&self.key).await
    }
}

impl<O: DeserializeOwned> JobHandle<O> {
    /// The result, once the job has completed. `None` before, and if it keeps no record.
    ///
    /// # Errors
    /// [`ClientError`]; `Decode` when the stored result is not an `O`.
    pub async fn result(&self) -> Result<Option<O>, ClientError> {
        let report = self.client.read_life(&self.key, self.life.as_ref()).await?;
        let mut report = report.ok_or_else(|| ClientError::NoJob(self.key.id.clone()))?;
        self.client.add_large_result(&mut report).await?;
        let Some(result) = report.result else { return Ok(None) };
        result
            .decode()
            .map(Some)
            .map_err(|source| ClientError::Decode { id: self.key.id.clone(), source })
    }
}

impl<O> Clone for JobHandle<O> {
    fn clone(&self) -> Self {
        Self {
            client: self.client.clone(),
            key: self.key.clone(),
            life: self.life.clone(),
            duplicate: self.duplicate,
            held: self.held,
            output: PhantomData,
        }
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("key", &self.key).finish_non_exhaustive()
    }
}
