//! [`JobRef`], [`JobRefs`]: the arguments of `depends_on`: handles, ids and keys, one or many.

use naq_core::names::{JobId, JobKey, NameError, QueueName};

use crate::JobHandle;

/// A job by its id. Without a queue it is in the queue of the job that depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedJob {
    queue: Option<QueueName>,
    id: JobId,
}

impl NamedJob {
    /// Its key; `queue` is used if it names no queue.
    pub fn in_queue(self, queue: &QueueName) -> JobKey {
        JobKey::new(self.queue.unwrap_or_else(|| queue.clone()), self.id)
    }
}

/// A value that names one job: a [`JobHandle`], a [`JobKey`], an id (in the queue of the job that is
/// enqueued), or the text `queue/id`.
pub trait JobRef {
    /// The job that it names.
    ///
    /// # Errors
    /// [`NameError`] when it is not a valid name.
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

/// One job or many: a [`JobRef`], or an array, list or slice of them.
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
