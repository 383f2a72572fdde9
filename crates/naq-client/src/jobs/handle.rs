//! [`JobHandle`]: what enqueue returns.

use std::fmt;
use std::marker::PhantomData;

use naq_core::names::{JobId, QueueName};
use naq_core::transport::JobKey;
use naq_core::wire::{Nonce, Step};
use serde::de::DeserializeOwned;

use crate::{Client, ClientError, JobReport};

/// A job that the broker has. `O` is what its handler returns.
pub struct JobHandle<O> {
    pub(crate) client: Client,
    pub(crate) key: JobKey,
    /// Which life of it, where this handle began it.
    pub(crate) life: Option<Nonce>,
    duplicate: bool,
    held: bool,
    output: PhantomData<fn() -> O>,
}

impl<O> JobHandle<O> {
    pub(crate) fn new(client: Client, key: JobKey, duplicate: bool) -> Self {
        Self { client, key, life: None, duplicate, held: false, output: PhantomData }
    }

    /// The same, with the life that was enqueued, if it was.
    pub(crate) fn of_life(mut self, step: Option<Step>) -> Self {
        self.life = step.map(|step| step.nonce).filter(|_| !self.duplicate);
        self
    }

    /// The job that holds the key which another one wanted.
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
        let report = self.client.look(&self.key, self.life.as_ref()).await?;
        let mut report = report.ok_or_else(|| ClientError::NoJob(self.key.id.clone()))?;
        self.client.add_result(&mut report).await?;
        let Some(result) = report.result else { return Ok(None) };
        result
            .decode()
            .map(Some)
            .map_err(|source| ClientError::Decode { id: self.key.id.clone(), source })
    }
}

impl<O> Clone for JobHandle<O> {
    fn clone(&self) -> Self {
        let (client, key, life) = (self.client.clone(), self.key.clone(), self.life.clone());
        Self { client, key, life, duplicate: self.duplicate, held: self.held, output: PhantomData }
    }
}

impl<O> fmt::Debug for JobHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobHandle").field("key", &self.key).finish_non_exhaustive()
    }
}
