//! [`Client`]: the verbs, one by one.

use std::io;
use std::time::Duration;

use naq_client::{
    Client as AsyncClient, ClientError, DeadFilter, EnqueueError, JobReport, LimitInfo, Prepare,
};
use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{
    DeadPage, JobKey, QueueInfo, Receipt, Stored, TransportError, WorkerInfo,
};
use naq_core::{Job, JobId, NameError, QueueName, Timestamp};

use super::enqueue::Enqueue;
use super::handle::JobHandle;
use super::thread::Thread;

/// The verbs of [`naq_client::Client`], each of which waits for the broker's answer. Cheap to clone;
/// clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) inner: AsyncClient,
    pub(super) thread: Thread,
}

/// Connects to the broker at `url`; see [`crate::connect`].
///
/// # Errors
/// [`crate::ConnectError`].
#[cfg(feature = "nats")]
pub fn connect(url: impl Into<String>) -> Result<Client, crate::ConnectError> {
    let url = url.into();
    open(async move { crate::connect(url).await })
}

/// Connects as the `NAQ_*` variables say; see [`crate::connect_from_env`].
///
/// # Errors
/// [`crate::ConnectError`].
#[cfg(feature = "nats")]
pub fn connect_from_env() -> Result<Client, crate::ConnectError> {
    open(crate::connect_from_env())
}

#[cfg(feature = "nats")]
fn open(
    connect: impl Future<Output = Result<AsyncClient, crate::ConnectError>> + Send + 'static,
) -> Result<Client, crate::ConnectError> {
    let thread = Thread::start().map_err(crate::ConnectError::Thread)?;
    let inner = thread.wait(connect)?;
    Ok(Client { inner, thread })
}

impl Client {
    /// A client over a transport that needs no runtime of its own, such as the one in memory.
    ///
    /// # Errors
    /// When the client's thread cannot be started.
    pub fn new(inner: AsyncClient) -> io::Result<Self> {
        Ok(Self { inner, thread: Thread::start()? })
    }

    pub(super) fn wait<T, F>(&self, verb: impl FnOnce(AsyncClient) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.thread.wait(verb(self.inner.clone()))
    }

    /// Prepares a job; [`send`](Enqueue::send) sends it.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue(job))
    }

    /// Prepares a job of a task known only by name, with any arguments.
    ///
    /// # Errors
    /// [`NameError`] when `task` is no task name.
    pub fn enqueue_task<A: serde::Serialize + Sync>(
        &self,
        task: &str,
        args: &A,
    ) -> Result<Enqueue<'_, serde_json::Value>, NameError> {
        Ok(Enqueue::new(self, self.inner.enqueue_task(task, args)?))
    }

    /// Prepares a job that runs at `time`, which is in UTC; one that is past means at once.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue_at<J: Job>(&self, time: impl Into<Timestamp>, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue_at(time, job))
    }

    /// Prepares a job that runs after `delay`.
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue_in<J: Job>(&self, delay: Duration, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue_in(delay, job))
    }

    /// Sends many jobs, with many under way at once; one answer a job, in their order. A job that
    /// cannot be written, or that the broker does not take, costs the others nothing.
    pub fn enqueue_many<P>(
        &self,
        jobs: impl IntoIterator<Item = P>,
    ) -> Vec<Result<JobHandle<P::Output>, EnqueueError>>
    where
        P: Prepare<Output: Send + 'static>,
    {
        let jobs: Vec<_> = jobs.into_iter().map(Prepare::prepare).collect();
        let sent = self.wait(|client| async move { client.enqueue_many(jobs).await });
        sent.into_iter().map(|sent| sent.map(|job| JobHandle::new(self, job))).collect()
    }

    /// Finds a job by its id, in `queue` or wherever it is.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] and [`ClientError::Ambiguous`] among others.
    pub fn job(&self, id: &JobId, queue: Option<&QueueName>) -> Result<JobReport, ClientError> {
        let (id, queue) = (id.clone(), queue.cloned());
        self.wait(|client| async move { client.job(&id, queue.as_ref()).await })
    }

    /// Everything known of the job.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] among others.
    pub fn report(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let key = key.clone();
        self.wait(|client| async move { client.report(&key).await })
    }

    /// Ends a job that has not ended.
    ///
    /// # Errors
    /// [`ClientError::State`] when it has ended; [`ClientError::NoJob`].
    pub fn cancel(&self, key: &JobKey, reason: &str) -> Result<JobReport, ClientError> {
        let (key, reason) = (key.clone(), reason.to_owned());
        self.wait(|client| async move { client.cancel(&key, &reason).await })
    }

    /// Makes a waiting job due now.
    ///
    /// # Errors
    /// [`ClientError::State`] when it does not wait; [`ClientError::NoJob`].
    pub fn retry_now(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let key = key.clone();
        self.wait(|client| async move { client.retry_now(&key).await })
    }

    /// All queues with their numbers, sorted by name.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn queues(&self) -> Result<Vec<QueueInfo>, TransportError> {
        self.wait(|client| async move { client.queues().await })
    }

    /// Lets at most so many jobs of the queue run at once, on all workers together; none for no limit.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn set_queue_limit(
        &self,
        queue: &QueueName,
        limit: Option<u64>,
    ) -> Result<(), TransportError> {
        let queue = queue.clone();
        self.wait(|client| async move { client.set_queue_limit(&queue, limit).await })
    }

    /// All keys that jobs with limits use now, sorted.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn limits(&self) -> Result<Vec<LimitInfo>, TransportError> {
        self.wait(|client| async move { client.limits().await })
    }

    /// One of these keys; none when no job uses it now.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn limit(&self, key: &str) -> Result<Option<LimitInfo>, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.limit(&key).await })
    }

    /// The workers alive now, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn list_workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.wait(|client| async move { client.list_workers().await })
    }

    /// The breakers that are not quite closed, sorted by key.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn breakers(&self) -> Result<Vec<BreakerEntry>, TransportError> {
        self.wait(|client| async move { client.breakers().await })
    }

    /// The breaker of a task or dependency; closed when nothing is known of it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn breaker(&self, key: &str) -> Result<BreakerEntry, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.breaker(&key).await })
    }

    /// Opens a breaker by hand, for `span` or until it is closed by hand.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn open_breaker(
        &self,
        key: &str,
        span: Option<Duration>,
        reason: &str,
    ) -> Result<BreakerEntry, TransportError> {
        let (key, reason) = (key.to_owned(), reason.to_owned());
        self.wait(move |client| async move { client.open_breaker(&key, span, &reason).await })
    }

    /// Closes a breaker by hand: it recovers over `recovery`.
    ///
    /// # Errors
    /// [`TransportError`].
    ///
    /// # Panics
    /// When `recovery` is longer than 10 years.
    pub fn close_breaker(
        &self,
        key: &str,
        recovery: Duration,
    ) -> Result<BreakerEntry, TransportError> {
        let key = key.to_owned();
        self.wait(move |client| async move { client.close_breaker(&key, recovery).await })
    }

    /// Forgets all that is known of a breaker: it is closed at once. False when nothing was known.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn reset_breaker(&self, key: &str) -> Result<bool, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.reset_breaker(&key).await })
    }

    /// A page of dead letters from sequence `from` on.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn dead_letters(
        &self,
        filter: &DeadFilter,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError> {
        let filter = filter.clone();
        self.wait(move |client| async move { client.dead_letters(&filter, from, limit).await })
    }

    /// Gives a dead job another life, in `delay` or at once.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn requeue(
        &self,
        letter: &Stored,
        delay: Option<Duration>,
    ) -> Result<Receipt, ClientError> {
        let letter = letter.clone();
        self.wait(move |client| async move { client.requeue(&letter, delay).await })
    }

    /// Removes a dead letter for good. False when it is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn purge_dead(&self, letter: &Stored) -> Result<bool, TransportError> {
        let letter = letter.clone();
        self.wait(|client| async move { client.purge_dead(&letter).await })
    }
}
