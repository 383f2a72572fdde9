//! [`Client`]: the handle that all verbs are methods of.

use std::sync::Arc;
use std::time::Duration;

use naq_core::clock::{Clock, SystemClock, Timestamp};
use naq_core::names::{CHORES, QueueName};
use naq_core::transport::{QueueInfo, Transport, TransportError, WorkerInfo};
use naq_core::wire::Codec;

use crate::operate::cancel_tally::CancelTally;

/// The verbs of NAQ for producers and operators. Cheap to clone; clones share the connection.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) codec: Codec,
    pub(crate) queue: QueueName,
    pub(crate) record_ttl: Option<Duration>,
    pub(crate) cancel_tally: Arc<CancelTally>,
}

impl Client {
    /// A client over `transport`. It writes JSON, and uses the queue `default` for jobs that name
    /// no queue.
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            clock: Arc::new(SystemClock),
            codec: Codec::Json,
            queue: QueueName::default(),
            record_ttl: None,
            cancel_tally: Arc::default(),
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

    /// How long the record of a finished job is kept, if the job itself sets no time; zero keeps
    /// none. 1 hour by default.
    #[must_use]
    pub fn default_record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// Reads the time from this clock; for tests.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The time by the client's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The transport that the client uses.
    pub fn transport(&self) -> &Arc<dyn Transport> {
        &self.transport
    }

    /// All queues with their numbers, sorted by name. Leaves out the queue of NAQ's own jobs, which
    /// [`queue_info`](naq_core::transport::Lookup::queue_info) describes as well.
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

    /// The workers that are alive now, sorted by id.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn list_workers(&self) -> Result<Vec<WorkerInfo>, TransportError> {
        self.transport.workers().await
    }
}
