//! Options: the jobs that this one waits for.

use crate::depends::JobRefs;
use crate::enqueue::Enqueue;

impl<O> Enqueue<'_, O> {
    /// Runs the job once these jobs have completed, after any number of attempts. If one of them
    /// ends otherwise, this job ends as cancelled. Takes one or many handles, ids in the same
    /// queue, or texts `queue/id`. A second call adds to the first.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # async fn f<J: Job>(client: &Client, a: J, b: J, c: J) -> Result<(), naq_client::EnqueueError> {
    /// let extract = client.enqueue(a).await?;
    /// let check = client.enqueue(b).await?;
    /// client.enqueue(c).depends_on([&extract, &check]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// While it waits the job is `blocked`: it takes no slot of a worker, and counts as a waiting
    /// job. A job that the broker does not know, or that keeps no record, cannot be waited for: see
    /// [`EnqueueError`](crate::EnqueueError). With a [`delay`](Self::delay) the job waits for its
    /// time as well.
    #[doc(alias = "after")]
    pub fn depends_on(mut self, jobs: impl JobRefs) -> Self {
        self.depends.on.extend(jobs.all());
        self
    }

    /// Runs the job once all jobs that it depends on have ended, if at least one of them did not
    /// complete (it is dead, cancelled or expired). If all completed, this job ends as cancelled.
    pub fn run_after_failure(mut self) -> Self {
        self.depends.after_failure = true;
        self
    }

    /// Runs the job once all jobs that it depends on have ended, if at least one of them completed.
    /// Together with [`run_after_failure`](Self::run_after_failure): whatever their ends are.
    pub fn allow_partial_dependencies(mut self) -> Self {
        self.depends.partial = true;
        self
    }
}
