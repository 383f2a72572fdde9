//! [`WorkflowHandle`]: a started graph of jobs.

use naq_client::{
    JobRef, NamedJob, Workflow, WorkflowError, WorkflowHandle as AsyncHandle, WorkflowReport,
    WorkflowSummary,
};
use naq_core::transport::TransportError;
use naq_core::{JobId, NameError};

use super::{Client, JobHandle};

/// A workflow that the broker has stored.
#[derive(Debug)]
pub struct WorkflowHandle {
    client: Client,
    inner: AsyncHandle,
}

impl WorkflowHandle {
    /// Its id.
    pub fn id(&self) -> &JobId {
        self.inner.id()
    }

    /// Whether the start added no jobs, because the workflow had been started before.
    pub fn is_duplicate(&self) -> bool {
        self.inner.is_duplicate()
    }

    /// The names of its jobs, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.names()
    }

    /// The job with this name; `None` if the workflow has no such job.
    pub fn job<O>(&self, name: &str) -> Option<JobHandle<O>> {
        self.inner.job(name).map(|job| JobHandle::new(&self.client, job))
    }

    /// The state of each of its jobs.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub fn report(&self) -> Result<WorkflowReport, WorkflowError> {
        self.client.workflow(self.id())
    }

    /// Cancels all of its jobs that have not ended. Returns how many.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub fn cancel(&self, reason: &str) -> Result<usize, WorkflowError> {
        self.client.cancel_workflow(self.id(), reason)
    }
}

impl Client {
    /// Starts a workflow; see [`naq_client::Client::start`].
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub fn start(&self, workflow: Workflow) -> Result<WorkflowHandle, WorkflowError> {
        let inner = self.wait(|client| async move { client.start(workflow).await })?;
        Ok(WorkflowHandle { client: self.clone(), inner })
    }

    /// The states of the jobs of a workflow.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] and others.
    pub fn workflow(&self, id: &JobId) -> Result<WorkflowReport, WorkflowError> {
        let id = id.clone();
        self.wait(|client| async move { client.workflow(&id).await })
    }

    /// The workflows of the last 30 days, oldest first.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn workflows(&self) -> Result<Vec<WorkflowSummary>, TransportError> {
        self.wait(|client| async move { client.workflows().await })
    }

    /// Cancels all jobs of a workflow that have not ended. Returns how many.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] and others.
    pub fn cancel_workflow(&self, id: &JobId, reason: &str) -> Result<usize, WorkflowError> {
        let (id, reason) = (id.clone(), reason.to_owned());
        self.wait(|client| async move { client.cancel_workflow(&id, &reason).await })
    }
}

impl<O> JobRef for &JobHandle<O> {
    fn named(self) -> Result<NamedJob, NameError> {
        naq_core::transport::JobKey { queue: self.queue().clone(), id: self.id().clone() }.named()
    }
}
