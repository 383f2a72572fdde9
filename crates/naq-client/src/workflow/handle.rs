//! [`WorkflowHandle`]: what start returns.

use naq_core::names::JobId;

use crate::workflow::manifest::Manifest;
use crate::workflow::{WorkflowError, WorkflowReport};
use crate::{Client, JobHandle};

/// A workflow that the broker has.
#[derive(Debug)]
pub struct WorkflowHandle {
    client: Client,
    manifest: Manifest,
    duplicate: bool,
}

impl WorkflowHandle {
    pub(super) fn new(client: Client, manifest: Manifest, duplicate: bool) -> Self {
        Self { client, manifest, duplicate }
    }

    /// Its id.
    pub fn id(&self) -> &JobId {
        &self.manifest.id
    }

    /// Whether it had been started before, so that nothing was added.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The names of its jobs, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.manifest.jobs.iter().map(|job| job.name.as_str())
    }

    /// One of its jobs, by its name; none when there is no such job. `O` is what its handler
    /// returns.
    ///
    /// ```no_run
    /// # async fn f(etl: naq_client::WorkflowHandle) -> Result<(), naq_client::ClientError> {
    /// if let Some(load) = etl.job::<u64>("load") {
    ///     println!("{:?} rows", load.result().await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn job<O>(&self, name: &str) -> Option<JobHandle<O>> {
        let job = self.manifest.jobs.iter().find(|job| job.name == name)?;
        Some(JobHandle::new(self.client.clone(), job.key.clone(), self.duplicate))
    }

    /// Where each of its jobs stands.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub async fn report(&self) -> Result<WorkflowReport, WorkflowError> {
        self.client.workflow(&self.manifest.id).await
    }

    /// Ends all of its jobs that have not ended; see [`Client::cancel_workflow`].
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub async fn cancel(&self, reason: &str) -> Result<usize, WorkflowError> {
        self.client.cancel_workflow(&self.manifest.id, reason).await
    }
}
