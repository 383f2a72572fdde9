//! [`Client::jobs`]: lists of jobs.

use naq_core::transport::{JobsPage, JobsQuery};

use crate::{Client, ClientError};

impl Client {
    /// A page of jobs: those at one place or in one state, filtered further by the query. Reads at
    /// most [`SCAN`](naq_core::transport::SCAN) messages, whatever the number of jobs.
    ///
    /// ```no_run
    /// use naq_core::transport::{JobsPage, JobsQuery};
    /// use naq_client::{Client, ClientError};
    /// use naq_core::JobState;
    ///
    /// # async fn f(client: Client) -> Result<(), ClientError> {
    /// let mut query = JobsQuery::of(JobState::Retrying);
    /// loop {
    ///     let JobsPage { jobs, next, .. } = client.jobs(&query).await?;
    ///     for job in jobs {
    ///         println!("{} at attempt {}", job.key, job.attempt);
    ///     }
    ///     let Some(next) = next else { return Ok(()) };
    ///     query.cursor = Some(next);
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientError::Transport`].
    pub async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, ClientError> {
        Ok(self.transport.jobs(query).await?)
    }
}
