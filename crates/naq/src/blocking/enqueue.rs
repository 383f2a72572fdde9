//! [`Enqueue`]: the builder that [`Client::enqueue`] returns.

use std::time::Duration;

use naq_client::{
    Enqueue as AsyncEnqueue, EnqueueError, JobRefs, NodeJob, Prepare, Prepared, WorkflowJob,
};
use naq_core::flow::{Limit, Unique};
use naq_core::{Delay, ErrorKind, Jitter, RetryPolicy, Strategy, Timestamp};

use super::{Client, JobHandle};

/// A job that is not enqueued yet; [`send`](Self::send) enqueues it. The options are those of
/// [`naq_client::Enqueue`].
#[must_use = "the job is not enqueued until `send` is called"]
#[derive(Debug)]
pub struct Enqueue<'a, O> {
    client: &'a Client,
    pub(super) inner: AsyncEnqueue<'a, O>,
}

macro_rules! forward {
    ($($(#[$doc:meta])* $name:ident($arg:ident: $ty:ty);)*) => {
        $($(#[$doc])*
        pub fn $name(self, $arg: $ty) -> Self {
            Self { client: self.client, inner: self.inner.$name($arg) }
        })*
    };
}

impl<'a, O> Enqueue<'a, O> {
    pub(super) fn new(client: &'a Client, inner: AsyncEnqueue<'a, O>) -> Self {
        Self { client, inner }
    }

    /// Runs the job when all its parents have ended, if at least one did not complete.
    pub fn run_after_failure(self) -> Self {
        Self { client: self.client, inner: self.inner.run_after_failure() }
    }

    /// Runs the job when all its parents have ended, if at least one completed.
    pub fn allow_partial_dependencies(self) -> Self {
        Self { client: self.client, inner: self.inner.allow_partial_dependencies() }
    }

    forward! {
        /// The queue.
        queue(queue: impl AsRef<str>);
        /// The job's id. A second enqueue with the same id adds no job.
        id(id: impl AsRef<str>);
        /// The whole retry policy at once.
        policy(policy: impl Into<RetryPolicy>);
        /// How many attempts may follow the first.
        max_retries(max_retries: u32);
        /// The delay before each retry, or a list with one delay for each retry.
        retry_delay(delay: impl Into<Delay>);
        /// How the delay grows from retry to retry.
        retry_strategy(strategy: Strategy);
        /// With [`Strategy::Linear`]: by how much the delay grows each time.
        retry_increment(increment: Duration);
        /// With [`Strategy::Exponential`]: the factor by which the delay grows each time.
        retry_multiplier(multiplier: f64);
        /// No delay is longer than this.
        max_delay(max_delay: Duration);
        /// Spreads the delays, so that jobs that failed at the same time are not retried at the same time.
        jitter(jitter: Jitter);
        /// Retries only errors of these kinds. An empty list means all kinds.
        retry_on(kinds: impl IntoIterator<Item = impl Into<ErrorKind>>);
        /// Never retries errors of these kinds, even if `retry_on` has them.
        ignore_on(kinds: impl IntoIterator<Item = impl Into<ErrorKind>>);
        /// No retry starts later than this after the start of the first attempt.
        retry_for(span: Duration);
        /// Runs the job when these jobs have completed. Takes one or several handles, ids, or `queue/id`.
        depends_on(jobs: impl JobRefs);
        /// How many worker crashes make the job poison.
        max_crashes(max_crashes: u32);
        /// How long one attempt may run.
        timeout(timeout: Duration);
        /// Runs the job after `delay`, not at once.
        delay(delay: Duration);
        /// Runs the job at this time, not at once.
        at(due: Timestamp);
        /// No attempt starts after this time.
        deadline(deadline: Timestamp);
        /// No attempt starts later than this after the job was due.
        expires_in(span: Duration);
        /// Allows only one job with this key until that job has ended.
        unique(key: impl Into<String>);
        /// Allows only one job with this key until that job starts.
        unique_until_started(key: impl Into<String>);
        /// Sets the unique key and how long a job holds it.
        unique_by(unique: Unique);
        /// Adds a limit.
        limit(limit: Limit);
        /// How long the broker stores the record of the ended job; zero for no record.
        record_ttl(ttl: Duration);
        /// Adds a tag.
        tag(tag: impl Into<String>);
        /// The W3C trace context that the job belongs to.
        traceparent(traceparent: impl Into<String>);
    }

    /// Allows only one job with this key within `time`, even if that job has ended.
    pub fn unique_for(self, key: impl Into<String>, time: Duration) -> Self {
        Self { client: self.client, inner: self.inner.unique_for(key, time) }
    }

    /// Makes one job of many enqueues; see [`naq_client::Enqueue::debounce`].
    pub fn debounce(self, key: impl Into<String>, wait: Duration) -> Self {
        Self { client: self.client, inner: self.inner.debounce(key, wait) }
    }

    /// With `debounce`: the job starts this long after the enqueue that added it.
    pub fn max_wait(self, longest: Duration) -> Self {
        Self { client: self.client, inner: self.inner.max_wait(longest) }
    }

    /// At most one job of this task with this key in each `every`.
    pub fn throttle(self, key: impl Into<String>, every: Duration) -> Self {
        Self { client: self.client, inner: self.inner.throttle(key, every) }
    }

    /// At most `jobs` jobs with this key run at once, across all queues and workers.
    pub fn concurrency_key(self, key: impl Into<String>, jobs: u32) -> Self {
        self.limit(Limit::concurrency(key, jobs))
    }

    /// At most `count` attempts of jobs with this key start in each `per`, evenly spaced, across all
    /// queues and workers.
    pub fn rate_limit(self, key: impl Into<String>, count: u32, per: Duration) -> Self {
        self.limit(Limit::rate(key, count, per))
    }

    /// The same job with a result of any type. Jobs of several types then fit in one list.
    pub fn untyped(self) -> Enqueue<'a, serde_json::Value> {
        Enqueue { client: self.client, inner: self.inner.untyped() }
    }

    /// Checks and encodes the job, but does not send it; see [`Client::enqueue_many`].
    ///
    /// # Errors
    /// [`EnqueueError`], except `Transport`.
    pub fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        self.inner.prepare()
    }
}

impl<O> Prepare for Enqueue<'_, O> {
    type Output = O;

    fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        self.inner.prepare()
    }
}

impl<O: Send + 'static> Enqueue<'_, O> {
    /// Enqueues the job. Returns when the broker has stored it.
    ///
    /// # Errors
    /// [`EnqueueError`]. After a timeout the broker may have stored the job: send it again with the same
    /// id.
    pub fn send(self) -> Result<JobHandle<O>, EnqueueError> {
        let (client, prepared) = (self.client, self.inner.prepare()?);
        // One prepared job has one answer.
        client.enqueue_many([prepared]).swap_remove(0)
    }
}

impl<O> WorkflowJob for Enqueue<'_, O> {
    fn node(self) -> NodeJob {
        self.inner.node()
    }
}
