//! [`Client`]: enqueue jobs, look at them, and act on them, over any transport.

use std::sync::Arc;
use std::time::Duration;

use naq_core::clock::{Clock, SystemClock, Timestamp};
use naq_core::job::Job;
use naq_core::names::{CHORES, NameError, QueueName, TaskName};
use naq_core::transport::{QueueInfo, Transport, TransportError, WorkerInfo};
use naq_core::wire::Codec;

use crate::Enqueue;
use crate::operate::cancel_tally::Told;

/// The verbs of NAQ for producers and operators. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codec: Codec,
    pub(crate) queue: QueueName,
    pub(crate) record_ttl: Option<Duration>,
    pub(crate) told: Arc<Told>,
}

impl Client {
    /// A client over `transport`, writing JSON into the queue `default` where a job says no other.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            clock: Arc::new(SystemClock),
            codec: Codec::Json,
            queue: QueueName::default(),
            record_ttl: None,
            told: Arc::default(),
        }
    }

    /// Writes jobs in this codec.
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Puts jobs that name no queue into this one.
    #[must_use]
    pub fn default_queue(mut self, queue: QueueName) -> Self {
        self.queue = queue;
        self
    }

    /// Keeps the records of jobs that say nothing of it for so long; zero for none. 1 hour by
    /// default.
    #[must_use]
    pub fn default_record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// Tells the time by this clock; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The time by its clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The transport underneath.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// Prepares a job; `.await` sends it.
    ///
    /// ```no_run
    /// # use naq_client::Client;
    /// # use naq_core::Job;
    /// # use naq_core::retry::Strategy;
    /// # use std::time::Duration;
    /// # async fn f<J: Job>(client: &Client, job: J) -> Result<(), naq_client::EnqueueError> {
    /// let handle = client
    ///     .enqueue(job)
    ///     .max_retries(4)
    ///     .retry_delay(Duration::from_secs(2))
    ///     .retry_strategy(Strategy::Exponential) // 2 s, 4 s, 8 s, 16 s
    ///     .await?;
    /// println!("job {}", handle.id());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When `J::NAME` is no task name.
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J::Output> {
        let task = TaskName::new(J::NAME).unwrap_or_else(|err| panic!("{err}"));
        Enqueue::new(self, task, &job, J::options())
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
        Ok(Enqueue::new(self, TaskName::new(task)?, args, naq_core::job::JobOptions::default()))
    }

    /// All queues with their numbers, sorted by name; but for the one of NAQ's own jobs, which
    /// [`queue_info`](naq_core::transport::Lookup::queue_info) describes, too.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn queues(&self) -> Result<Vec<QueueInfo>, TransportError> {
        let mut infos = Vec::new();
        let queues = self.transport.queues().await?;
        for queue in queues.into_iter().filter(|queue| queue.as_str() != CHORES) {
            infos.extend(self.transport.queue_info(&queue).await?);
        }
        Ok(infos)
    }

    /// The workers alive now, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn list_workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.transport.workers().await
    }
}
