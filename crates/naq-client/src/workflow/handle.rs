//! [`WorkflowHandle`]: a workflow that was started.

use naq_core::names::JobId;

use crate::workflow::error::WorkflowError;
use crate::workflow::manifest::Manifest;
use crate::workflow::report::WorkflowReport;
use crate::{Client, JobHandle};

/// A workflow whose jobs the broker has stored.
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

    /// The workflow's id.
    pub fn id(&self) -> &JobId {
        &self.manifest.id
    }

    /// True if it had been started before, so that the start added no jobs.
    pub fn is_duplicate(&self) -> bool {
        self.duplicate
    }

    /// The names of its jobs, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.manifest.jobs.iter().map(|job| job.name.as_str())
    }

    /// One of its jobs, by the job's name; `None` when there is no such job. `O` is what the job's
    /// handler returns.
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

    /// The states of its jobs.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub async fn report(&self) -> Result<WorkflowReport, WorkflowError> {
        self.client.workflow(&self.manifest.id).await
    }

    /// Cancels all of its jobs that have not ended; see [`Client::cancel_workflow`].
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub async fn cancel(&self, reason: &str) -> Result<usize, WorkflowError> {
        self.client.cancel_workflow(&self.manifest.id, reason).await
    }
}
