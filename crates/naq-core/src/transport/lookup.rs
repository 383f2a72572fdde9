//! Look without touching.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::{EndWatch, Evidence, JobsPage, JobsQuery, Stored, StreamReport, TransportError};
use crate::clock::Timestamp;
use crate::names::{JobId, JobKey, QueueName};

/// A queue in numbers, from the broker's own counters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// The queue.
    pub name: QueueName,
    /// Jobs that wait for a slot.
    pub pending: u64,
    /// Jobs that workers hold.
    pub running: u64,
    /// Jobs that wait for their time: scheduled and retrying.
    pub waiting: u64,
    /// Dead letters.
    pub dead: u64,
    /// How long the oldest of the pending jobs has waited for a slot; none when none does. A job
    /// that waits for its time is not late.
    #[serde(serialize_with = "as_millis", rename = "oldest_ms")]
    pub oldest: Option<Duration>,
    /// Until when the queue is paused.
    pub paused_until: Option<Timestamp>,
    /// The lease of a delivery (ack_wait in NATS terms).
    #[serde(serialize_with = "as_millis", rename = "lease_ms")]
    pub lease: Option<Duration>,
    /// Jobs that may run at once across all workers; none for no limit.
    pub concurrency_limit: Option<u64>,
    /// Bytes stored.
    pub bytes: u64,
    /// The sequence of the newest message that ever stood in it: what comes later has a greater one.
    #[serde(skip)]
    pub last_seq: u64,
}

fn as_millis<S: serde::Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    d.map(crate::clock::millis_up).serialize(s)
}

/// A page of dead letters, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadPage {
    /// The letters.
    pub letters: Vec<Stored>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// A page of jobs that wait for their time, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitingPage {
    /// Their messages.
    pub jobs: Vec<Stored>,
    /// Where the next page begins; none after the last.
    pub next: Option<u64>,
}

/// The broker as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerInfo {
    /// What it calls itself, with its version.
    pub server: String,
    /// How far its clock is ahead of ours, in milliseconds.
    pub clock_ahead_ms: i64,
    /// The largest message it takes, in bytes.
    pub max_payload: usize,
}

/// Finds jobs and counts them. Nothing here reads all jobs.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// What else the broker holds of each of these jobs, in few requests. The answer has one list a
    /// key, in the order of the keys.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn evidence(&self, keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError>;

    /// The last message on each of a job's four subjects.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError>;

    /// Listens for the end of a job. Begin before looking at it, so that nothing falls between.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn watch_end(&self, key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError>;

    /// The queues in which the broker holds something of a job of this id.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError>;

    /// All queues, sorted by name.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn queues(&self) -> Result<Vec<QueueName>, TransportError>;

    /// One queue in numbers; none when there is no such queue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn queue_info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, TransportError>;

    /// Dead letters from sequence `from` on, of one queue or of all, at most `limit`.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError>;

    /// Jobs of a queue that wait for their time, from sequence `from` on, at most `limit`. One that is
    /// given another time has another sequence from then on.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn waiting_jobs(
        &self,
        queue: &QueueName,
        from: u64,
        limit: usize,
    ) -> Result<WaitingPage, TransportError>;

    /// A page of jobs. Looks at no more than [`SCAN`](super::SCAN) messages.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError>;

    /// The broker.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn broker(&self) -> Result<BrokerInfo, TransportError>;

    /// The streams in which the broker keeps all this, those that are there already: of the queues by
    /// name, then the shared ones.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn streams(&self) -> Result<Vec<StreamReport>, TransportError>;

    /// Whether there is a connection to the broker, as far as is known here: nobody is asked.
    fn is_connected(&self) -> bool;
}
