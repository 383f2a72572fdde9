//! [`Client`]: the client that waits for the broker.

use std::io;
use std::time::Duration;

use naq_client::{
    Client as AsyncClient, ClientError, DeadFilter, EnqueueError, JobReport, LimitInfo, Prepare,
};
use naq_core::flow::breaker::BreakerEntry;
use naq_core::transport::{
    DeadPage, JobKey, QueueBound, QueueInfo, Receipt, Stored, TransportError, WorkerInfo,
};
use naq_core::{Job, JobId, NameError, QueueName, Timestamp};

use super::enqueue::Enqueue;
use super::handle::JobHandle;
use super::thread::ClientThread;

/// The methods of [`naq_client::Client`]; each waits for the broker's answer. Cheap to clone: clones
/// share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(super) inner: AsyncClient,
    pub(super) thread: ClientThread,
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

/// Connects with the settings in the `NAQ_*` variables; see [`crate::connect_from_env`].
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
    let thread = ClientThread::start().map_err(crate::ConnectError::Thread)?;
    let inner = thread.wait(connect)?;
    Ok(Client { inner, thread })
}

impl Client {
    /// Creates a client over a transport that needs no async runtime, such as the in-memory one.
    ///
    /// # Errors
    /// The client's thread cannot be started.
    pub fn new(inner: AsyncClient) -> io::Result<Self> {
        Ok(Self { inner, thread: ClientThread::start()? })
    }

    pub(super) fn wait<T, F>(&self, request: impl FnOnce(AsyncClient) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        self.thread.wait(request(self.inner.clone()))
    }

    /// Prepares a job; [`send`](Enqueue::send) sends it.
    ///
    /// # Panics
    /// `J::NAME` is not a task name.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue(job))
    }

    /// Prepares a job of a task that has no type here, only a name, with any arguments.
    ///
    /// # Errors
    /// [`NameError`]: `task` is not a task name.
    pub fn enqueue_task<A: serde::Serialize + Sync>(
        &self,
        task: &str,
        args: &A,
    ) -> Result<Enqueue<'_, serde_json::Value>, NameError> {
        Ok(Enqueue::new(self, self.inner.enqueue_task(task, args)?))
    }

    /// Prepares a job that runs at `time`, in UTC. A time in the past means at once.
    ///
    /// # Panics
    /// `J::NAME` is not a task name.
    pub fn enqueue_at<J: Job>(&self, time: impl Into<Timestamp>, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue_at(time, job))
    }

    /// Prepares a job that runs after `delay`.
    ///
    /// # Panics
    /// `J::NAME` is not a task name.
    pub fn enqueue_in<J: Job>(&self, delay: Duration, job: J) -> Enqueue<'_, J::Output> {
        Enqueue::new(self, self.inner.enqueue_in(delay, job))
    }

    /// Enqueues many jobs, with many requests in flight. Returns one result for each job, in the order
    /// of the jobs. An error of one job does not affect the others.
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

    /// Finds a job by its id, in `queue` or, without one, in all queues.
    ///
    /// # Errors
    /// [`ClientError::NoJob`], [`ClientError::Ambiguous`] and others.
    pub fn job(&self, id: &JobId, queue: Option<&QueueName>) -> Result<JobReport, ClientError> {
        let (id, queue) = (id.clone(), queue.cloned());
        self.wait(|client| async move { client.job(&id, queue.as_ref()).await })
    }

    /// Everything that the broker has stored about a job.
    ///
    /// # Errors
    /// [`ClientError::NoJob`] and others.
    pub fn report(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let key = key.clone();
        self.wait(|client| async move { client.report(&key).await })
    }

    /// Cancels a job that has not ended.
    ///
    /// # Errors
    /// [`ClientError::State`]: it has ended. [`ClientError::NoJob`]: there is no such job.
    pub fn cancel(&self, key: &JobKey, reason: &str) -> Result<JobReport, ClientError> {
        let (key, reason) = (key.clone(), reason.to_owned());
        self.wait(|client| async move { client.cancel(&key, &reason).await })
    }

    /// Makes a waiting job due now.
    ///
    /// # Errors
    /// [`ClientError::State`]: it does not wait. [`ClientError::NoJob`]: there is no such job.
    pub fn retry_now(&self, key: &JobKey) -> Result<JobReport, ClientError> {
        let key = key.clone();
        self.wait(|client| async move { client.retry_now(&key).await })
    }

    /// All queues with their counts, sorted by name.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn queues(&self) -> Result<Vec<QueueInfo>, TransportError> {
        self.wait(|client| async move { client.queues().await })
    }

    /// Limits how many jobs of the queue run at once, on all workers together. `None` removes the
    /// limit.
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

    /// Lets the queue store at most so many jobs and bytes. Beyond the bound an enqueue fails with
    /// [`TransportError::QueueFull`]. An empty bound removes it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn set_queue_bound(
        &self,
        queue: &QueueName,
        bound: QueueBound,
    ) -> Result<(), TransportError> {
        let queue = queue.clone();
        self.wait(|client| async move { client.set_queue_bound(&queue, bound).await })
    }

    /// The limits that jobs use now, sorted by key.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn limits(&self) -> Result<Vec<LimitInfo>, TransportError> {
        self.wait(|client| async move { client.limits().await })
    }

    /// The limit with this key; `None` if no job uses it now.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn limit(&self, key: &str) -> Result<Option<LimitInfo>, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.limit(&key).await })
    }

    /// The workers that are alive, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn list_workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.wait(|client| async move { client.list_workers().await })
    }

    /// The breakers that are not closed or had failures lately, sorted by key.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn breakers(&self) -> Result<Vec<BreakerEntry>, TransportError> {
        self.wait(|client| async move { client.breakers().await })
    }

    /// The breaker of a task or dependency. It is closed if the broker has no entry for it.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn breaker(&self, key: &str) -> Result<BreakerEntry, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.breaker(&key).await })
    }

    /// Opens a breaker for `span`, or until [`close_breaker`](Self::close_breaker).
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

    /// Closes a breaker. During `recovery` a growing share of its jobs starts.
    ///
    /// # Errors
    /// [`TransportError`].
    ///
    /// # Panics
    /// `recovery` is longer than 10 years.
    pub fn close_breaker(
        &self,
        key: &str,
        recovery: Duration,
    ) -> Result<BreakerEntry, TransportError> {
        let key = key.to_owned();
        self.wait(move |client| async move { client.close_breaker(&key, recovery).await })
    }

    /// Deletes the state of a breaker, which closes it at once. Returns false if it had no state.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn reset_breaker(&self, key: &str) -> Result<bool, TransportError> {
        let key = key.to_owned();
        self.wait(|client| async move { client.reset_breaker(&key).await })
    }

    /// A page of dead letters, starting at sequence `from`.
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

    /// Gives a dead job a new life, after `delay` or at once.
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

    /// Removes every pending, running and waiting job of a queue, and returns how many. Dead letters stay.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn purge_queue(&self, queue: &QueueName) -> Result<u64, TransportError> {
        let queue = queue.clone();
        self.wait(|client| async move { client.purge_queue(&queue).await })
    }

    /// Removes a dead letter permanently. Returns false if it is gone already.
    ///
    /// # Errors
    /// [`TransportError`].
    pub fn purge_dead(&self, letter: &Stored) -> Result<bool, TransportError> {
        let letter = letter.clone();
        self.wait(|client| async move { client.purge_dead(&letter).await })
    }
}
