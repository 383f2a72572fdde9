//! What `depends_on` takes: handles, ids and keys, one or many.

use naq_core::names::{JobId, NameError, QueueName};
use naq_core::transport::JobKey;

use crate::{Enqueue, JobHandle};

/// A job by its id, in a queue of its own or in that of whoever names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedJob {
    queue: Option<QueueName>,
    id: JobId,
}

impl NamedJob {
    /// Its key, where `queue` is meant if it names none.
    pub fn in_queue(self, queue: &QueueName) -> JobKey {
        JobKey { queue: self.queue.unwrap_or_else(|| queue.clone()), id: self.id }
    }
}

/// Whatever names one job: a [`JobHandle`], a [`JobKey`], an id (in the queue of the job that is
/// enqueued), or the text `queue/id`.
pub trait JobRef {
    /// The job.
    ///
    /// # Errors
    /// [`NameError`] when it is no name.
    fn named(self) -> Result<NamedJob, NameError>;
}

impl JobRef for JobKey {
    fn named(self) -> Result<NamedJob, NameError> {
        Ok(NamedJob { queue: Some(self.queue), id: self.id })
    }
}

impl JobRef for &JobKey {
    fn named(self) -> Result<NamedJob, NameError> {
        self.clone().named()
    }
}

impl<O> JobRef for &JobHandle<O> {
    fn named(self) -> Result<NamedJob, NameError> {
        Ok(NamedJob { queue: Some(self.queue().clone()), id: self.id().clone() })
    }
}

impl JobRef for JobId {
    fn named(self) -> Result<NamedJob, NameError> {
        Ok(NamedJob { queue: None, id: self })
    }
}

impl JobRef for &JobId {
    fn named(self) -> Result<NamedJob, NameError> {
        self.clone().named()
    }
}

impl JobRef for &str {
    fn named(self) -> Result<NamedJob, NameError> {
        match self.contains('/') {
            true => self.parse::<JobKey>()?.named(),
            false => JobId::new(self)?.named(),
        }
    }
}

impl JobRef for String {
    fn named(self) -> Result<NamedJob, NameError> {
        self.as_str().named()
    }
}

impl JobRef for &String {
    fn named(self) -> Result<NamedJob, NameError> {
        self.as_str().named()
    }
}

/// One job or many: whatever is a [`JobRef`], and arrays, lists and slices of such.
pub trait JobRefs {
    /// The jobs, one by one.
    fn all(self) -> Vec<Result<NamedJob, NameError>>;
}

impl<T: JobRef> JobRefs for T {
    fn all(self) -> Vec<Result<NamedJob, NameError>> {
        vec![self.named()]
    }
}

impl<T: JobRef, const N: usize> JobRefs for [T; N] {
    fn all(self) -> Vec<Result<NamedJob, NameError>> {
        self.into_iter().map(JobRef::named).collect()
    }
}

impl<T: JobRef> JobRefs for Vec<T> {
    fn all(self) -> Vec<Result<NamedJob, NameError>> {
        self.into_iter().map(JobRef::named).collect()
    }
}

impl<'a, T> JobRefs for &'a [T]
where
    &'a T: JobRef,
{
    fn all(self) -> Vec<Result<NamedJob, NameError>> {
        self.iter().map(JobRef::named).collect()
    }
}

impl<'a, T> JobRefs for &'a Vec<T>
where
    &'a T: JobRef,
{
    fn all(self) -> Vec<Result<NamedJob, NameError>> {
        self.as_slice().all()
    }
}

impl<O> Enqueue<'_, O> {
    /// Runs it once these jobs have completed, however many attempts that takes them; if one ends
    /// otherwise, this job ends as cancelled. Takes handles, ids of the same queue, or `queue/id`,
    /// one or many; called again, it adds to them.
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
    /// While it waits it is `blocked`, holds no slot, and counts among the waiting. A job that is
    /// nowhere, or that keeps no record, cannot be waited for: see
    /// [`EnqueueError`](crate::EnqueueError). With a [`delay`](Self::delay) it waits for its time
    /// as well.
    pub fn depends_on(mut self, jobs: impl JobRefs) -> Self {
        self.wish.on.extend(jobs.all());
        self
    }

    /// Runs it once all that it depends on has ended, if at least one did not complete (it is dead,
    /// cancelled or expired); if all completed, it ends as cancelled.
    pub fn run_after_failure(mut self) -> Self {
        self.wish.after_failure = true;
        self
    }

    /// Runs it once all that it depends on has ended, if at least one completed. Together with
    /// [`run_after_failure`](Self::run_after_failure): however they ended.
    pub fn allow_partial_dependencies(mut self) -> Self {
        self.wish.partial = true;
        self
    }
}
