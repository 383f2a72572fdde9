//! The jobs that this job depends on, and their results.

use naq_client::{ClientError, Parents};
use naq_core::JobId;
use naq_core::transport::TransportError;
use serde::de::DeserializeOwned;

use super::Context;

impl<S> Context<S> {
    /// How the jobs ended that this one [depends on](naq_client::Enqueue::depends_on), with their
    /// results, in the order in which they were named. Empty for a job that depends on none. Takes
    /// one or two requests for each parent, many at once.
    ///
    /// ```no_run
    /// # use naq_core::Failure;
    /// # use naq_worker::Context;
    /// # async fn handler(cx: Context) -> Result<(), Failure> {
    /// for parent in cx.parents().await?.failed() {
    ///     println!("{} is {:?}: {:?}", parent.key, parent.state, parent.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn parents(&self) -> Result<Parents, TransportError> {
        self.client().parents(&self.attempt_context().envelope).await
    }

    /// What one parent returned. `job` is its id, `queue/id`, or its name in the workflow. For
    /// several results call [`parents`](Self::parents) once.
    ///
    /// # Errors
    /// [`ClientError::NoResult`] when this job does not depend on that job, or that job has not
    /// completed, or its record has expired; [`ClientError::Decode`] when its result is not a `T`.
    pub async fn parent_result<T: DeserializeOwned>(&self, job: &str) -> Result<T, ClientError> {
        self.parents().await?.result(job)
    }

    /// The workflow that this job is part of. None by default.
    pub fn workflow(&self) -> Option<&JobId> {
        self.attempt_context().envelope.workflow.as_ref()
    }
}
