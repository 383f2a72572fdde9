//! [`Lookup`]: the port that finds and counts jobs and changes nothing.

use std::time::Duration;

use async_trait::async_trait;
use serde::Serialize;

use super::{
    EndWatch, Evidence, JobsPage, JobsQuery, QueueBound, Stored, StreamReport, TransportError,
};
use crate::clock::Timestamp;
use crate::names::{JobId, JobKey, QueueName};

/// The numbers of a queue, from the counters of the broker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QueueInfo {
    /// The queue.
    pub name: QueueName,
    /// How many jobs wait for a slot.
    pub pending: u64,
    /// How many jobs workers hold.
    pub running: u64,
    /// How many jobs are scheduled, retrying or blocked.
    pub waiting: u64,
    /// How many dead letters the queue has.
    pub dead: u64,
    /// How long the oldest pending job has waited for a slot. `None` if no job is pending. The wait
    /// starts when the job is due.
    #[serde(serialize_with = "as_millis", rename = "oldest_ms")]
    pub oldest: Option<Duration>,
    /// When the pause of the queue ends. `None` if it is not paused.
    pub paused_until: Option<Timestamp>,
    /// The lease of a delivery (`ack_wait` in NATS). `None` if no worker has opened the queue.
    #[serde(serialize_with = "as_millis", rename = "lease_ms")]
    pub lease: Option<Duration>,
    /// How many jobs may run at once, over all workers. `None` for no limit.
    pub concurrency_limit: Option<u64>,
    /// How many jobs and bytes it may store before it refuses new jobs.
    #[serde(flatten)]
    pub bound: QueueBound,
    /// The settings by which the broker removes jobs of it, such as `max_msgs 500`. Empty for a sound
    /// queue. While there is one, the queue refuses new jobs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evicts: Vec<String>,
    /// How many jobs the broker has forgotten: they are in the queue, and are not delivered. A worker
    /// of the queue stores them again by itself.
    #[serde(skip_serializing_if = "super::stream::is_zero")]
    pub forgotten: u64,
    /// The bytes of its messages. If the queue has a bound in bytes, its large arguments count too.
    pub bytes: u64,
    /// The sequence of the newest message that was ever stored in it. Later messages have greater ones.
    #[serde(skip)]
    pub last_seq: u64,
}

impl QueueInfo {
    /// How long a pause without an end lasts: ten years, because the broker needs an end time.
    pub const UNTIL_RESUMED: Duration = Duration::from_secs(3_650 * 86_400);

    /// Whether the queue is paused now.
    pub fn is_paused(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// When its pause ends by itself. `None` if it is not paused, or if an operator must resume it.
    pub fn pause_ends_at(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.paused_until.filter(|until| *until > now)?;
        Some(until).filter(|until| until.since(now) < Self::UNTIL_RESUMED / 2)
    }
}

fn as_millis<S: serde::Serializer>(d: &Option<Duration>, s: S) -> Result<S::Ok, S::Error> {
    d.map(crate::clock::millis_up).serialize(s)
}

/// A page of dead letters, oldest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeadPage {
    /// The dead letters.
    pub letters: Vec<Stored>,
    /// How many messages of the page are left out, because their subjects name no job.
    pub skipped: usize,
    /// The sequence at which the next page begins. `None` after the last page.
    pub next: Option<u64>,
}

/// A page of waiting jobs, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WaitingPage {
    /// The messages of the jobs.
    pub jobs: Vec<Stored>,
    /// The sequence at which the next page begins. `None` after the last page.
    pub next: Option<u64>,
}

/// The broker as this process sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerInfo {
    /// The name of the server, with its version.
    pub server: String,
    /// How far its clock is ahead of the clock of this process, in milliseconds.
    pub clock_ahead_ms: i64,
    /// The largest message that it accepts, in bytes.
    pub max_payload: usize,
}

/// A message that the broker repeats, and that is no schedule of NAQ: another program gave it to the
/// broker. It makes a job at each of its times until it is [removed](super::Operator::remove).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSchedule {
    /// The message.
    pub stored: Stored,
    /// When the broker repeats it, as the program wrote it, such as `@every 1s`.
    pub times: String,
}

/// Finds and counts jobs. No method reads all jobs.
#[async_trait]
pub trait Lookup: Send + Sync + 'static {
    /// The evidence of each of these jobs, with few requests: the messages that the broker has of the
    /// job. The answer has one list for each key, in the order of the keys.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn evidence(&self, keys: &[JobKey]) -> Result<Vec<Vec<Evidence>>, TransportError>;

    /// When each of these jobs was last purged, by itself ([`note_purge`](super::Operator::note_purge)) or with
    /// its queue ([`purge`](super::Operator::purge)), by the broker's clock. It is known for two minutes; then
    /// `None`. The answer is in the order of the keys.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn purged_at(&self, keys: &[JobKey]) -> Result<Vec<Option<Timestamp>>, TransportError>;

    /// The last message on each of the four subjects of a job.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn locate(&self, key: &JobKey) -> Result<Vec<Stored>, TransportError>;

    /// Starts to wait for the end of a job. Call it before you look at the job, so that no end is missed
    /// between.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn watch_end(&self, key: &JobKey) -> Result<Box<dyn EndWatch>, TransportError>;

    /// The queues in which the broker has a message of a job with this id.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn find(&self, id: &JobId) -> Result<Vec<QueueName>, TransportError>;

    /// All queues, sorted by name.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn queues(&self) -> Result<Vec<QueueName>, TransportError>;

    /// The numbers of one queue. `None` if there is no such queue.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn queue_info(&self, queue: &QueueName) -> Result<Option<QueueInfo>, TransportError>;

    /// At most `limit` dead letters from sequence `from` on, of one queue or of all.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn dead_letters(
        &self,
        queue: Option<&QueueName>,
        from: u64,
        limit: usize,
    ) -> Result<DeadPage, TransportError>;

    /// At most `limit` waiting jobs of a queue, from sequence `from` on. A job that gets another due time
    /// also gets another sequence.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn waiting_jobs(
        &self,
        queue: &QueueName,
        from: u64,
        limit: usize,
    ) -> Result<WaitingPage, TransportError>;

    /// A page of jobs. It reads at most [`SCAN`](super::SCAN) messages.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn jobs(&self, query: &JobsQuery) -> Result<JobsPage, TransportError>;

    /// What is known about the broker. Compares the clocks, if that was not done lately.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn broker(&self) -> Result<BrokerInfo, TransportError>;

    /// The streams of NAQ that exist at the broker: first those of the queues by name, then the shared
    /// ones.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn streams(&self) -> Result<Vec<StreamReport>, TransportError>;

    /// The messages of the queue that the broker repeats, and that are no schedules of NAQ. It looks at
    /// the first 100,000 waiting and the first 100,000 pending jobs.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn broker_schedules(
        &self,
        _queue: &QueueName,
    ) -> Result<Vec<BrokerSchedule>, TransportError> {
        Ok(Vec::new())
    }

    /// Whether this process has a connection to the broker. It sends no request.
    fn is_connected(&self) -> bool;

    /// Whether this process can work, or will reconnect by itself. False while its connection has ended for
    /// good and no new one is open: only then does a restart of the process help. It sends no request.
    fn is_alive(&self) -> bool {
        true
    }

    /// The time by the broker's clock, from the last comparison of the clocks. `None` if they were
    /// not compared yet. It sends no request.
    fn broker_now(&self) -> Option<Timestamp> {
        None
    }
}
