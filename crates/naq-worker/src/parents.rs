//! What the jobs before this one have left it.

use naq_client::{ClientError, Parents};
use naq_core::JobId;
use naq_core::transport::TransportError;
use serde::de::DeserializeOwned;

use crate::Context;

impl<S> Context<S> {
    /// How the jobs ended that this one [depends on](naq_client::Enqueue::depends_on), with their
    /// results, in the order in which they were named. Empty for a job that depends on none. Asks
    /// the broker once or twice for each, many at once.
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
        self.client().parents(&self.scene().envelope).await
    }

    /// What one of them returned. It is named by its id, by `queue/id`, or by its name in the
    /// workflow. For several, [`parents`](Self::parents) asks once.
    ///
    /// # Errors
    /// [`ClientError::NoResult`] when this job does not depend on it, it has not completed, or its
    /// record is gone; [`ClientError::Decode`] when its result is no `T`.
    pub async fn parent_result<T: DeserializeOwned>(&self, job: &str) -> Result<T, ClientError> {
        self.parents().await?.result(job)
    }

    /// The workflow that this job is part of; none by default.
    pub fn workflow(&self) -> Option<&JobId> {
        self.scene().envelope.workflow.as_ref()
    }
}
