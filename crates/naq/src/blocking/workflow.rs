//! [`WorkflowHandle`]: a whole graph of jobs at once.

use naq_client::{
    JobRef, NamedJob, Workflow, WorkflowError, WorkflowHandle as AsyncHandle, WorkflowReport,
    WorkflowSummary,
};
use naq_core::transport::TransportError;
use naq_core::{JobId, NameError};

use super::{Client, JobHandle};

/// A workflow that the broker has.
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

    /// Whether it had been started before, so that nothing was added.
    pub fn is_duplicate(&self) -> bool {
        self.inner.is_duplicate()
    }

    /// The names of its jobs, in the order in which they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.inner.names()
    }

    /// One of its jobs, by its name; none when there is no such job.
    pub fn job<O>(&self, name: &str) -> Option<JobHandle<O>> {
        self.inner.job(name).map(|job| JobHandle::new(&self.client, job))
    }

    /// Where each of its jobs stands.
    ///
    /// # Errors
    /// [`WorkflowError`].
    pub fn report(&self) -> Result<WorkflowReport, WorkflowError> {
        self.client.workflow(self.id())
    }

    /// Ends all of its jobs that have not ended, and says how many there were.
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

    /// Where the jobs of a workflow stand.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] among others.
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

    /// Ends all jobs of a workflow that have not ended, and says how many there were.
    ///
    /// # Errors
    /// [`WorkflowError::Unknown`] among others.
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
