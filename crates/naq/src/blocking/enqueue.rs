//! The builder behind [`Client::enqueue`].

use std::time::Duration;

use naq_client::{
    Enqueue as AsyncEnqueue, EnqueueError, JobRefs, NodeJob, Prepare, Prepared, WorkflowJob,
};
use naq_core::flow::{Limit, Unique};
use naq_core::{Delay, ErrorKind, Jitter, RetryPolicy, Strategy, Timestamp};

use super::{Client, JobHandle};

/// A job about to be enqueued: [`send`](Self::send) it. The options are those of
/// [`naq_client::Enqueue`].
#[must_use = "nothing is enqueued until this is sent"]
#[derive(Debug)]
pub struct Enqueue<'a, O> {
    client: &'a Client,
    pub(super) inner: AsyncEnqueue<'a, O>,
}

macro_rules! same {
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

    /// Runs it once all that it depends on has ended, if at least one did not complete.
    pub fn run_after_failure(self) -> Self {
        Self { client: self.client, inner: self.inner.run_after_failure() }
    }

    /// Runs it once all that it depends on has ended, if at least one completed.
    pub fn allow_partial_dependencies(self) -> Self {
        Self { client: self.client, inner: self.inner.allow_partial_dependencies() }
    }

    same! {
        /// The queue.
        queue(queue: impl AsRef<str>);
        /// The job's id. The same id twice is one job.
        id(id: impl AsRef<str>);
        /// The whole retry policy at once.
        policy(policy: &RetryPolicy);
        /// Tries after the first.
        max_retries(max_retries: u32);
        /// The delay before a retry, or a list with one for each.
        retry_delay(delay: impl Into<Delay>);
        /// How the delay grows.
        retry_strategy(strategy: Strategy);
        /// With [`Strategy::Linear`]: by how much the delay grows each time.
        retry_increment(increment: Duration);
        /// With [`Strategy::Exponential`]: the factor by which the delay grows each time.
        retry_multiplier(multiplier: f64);
        /// No delay is longer than this.
        max_delay(max_delay: Duration);
        /// Spreads retries, so that jobs that failed together do not come back together.
        jitter(jitter: Jitter);
        /// Retry only errors of these kinds; empty for any.
        retry_on(kinds: impl IntoIterator<Item = impl Into<ErrorKind>>);
        /// Never retry errors of these kinds. Wins over `retry_on`.
        ignore_on(kinds: impl IntoIterator<Item = impl Into<ErrorKind>>);
        /// Makes no retry that would start later than this after the first attempt began.
        retry_for(span: Duration);
        /// Runs it once these jobs have completed: handles, ids, or `queue/id`, one or many.
        depends_on(jobs: impl JobRefs);
        /// Worker deaths before the job counts as poison.
        max_crashes(max_crashes: u32);
        /// The longest that one attempt may run.
        timeout(timeout: Duration);
        /// Runs it after `delay`, not at once.
        delay(delay: Duration);
        /// Runs it at this time, not at once.
        at(due: Timestamp);
        /// Starts no attempt after this time.
        deadline(deadline: Timestamp);
        /// Starts no attempt later than this after the job was due.
        expires_in(span: Duration);
        /// At most one job of this key until it has ended.
        unique(key: impl Into<String>);
        /// At most one job of this key until it starts.
        unique_until_started(key: impl Into<String>);
        /// With this key.
        unique_by(unique: Unique);
        /// With this limit.
        limit(limit: Limit);
        /// How long the record of the finished job is kept; zero for none.
        record_ttl(ttl: Duration);
        /// Adds a tag.
        tag(tag: impl Into<String>);
        /// The W3C trace context that the job belongs to.
        traceparent(traceparent: impl Into<String>);
    }

    /// At most one job of this key in this time, also when it has ended.
    pub fn unique_for(self, key: impl Into<String>, time: Duration) -> Self {
        Self { client: self.client, inner: self.inner.unique_for(key, time) }
    }

    /// At most `jobs` with this key run at once, over all queues and workers.
    pub fn concurrency_key(self, key: impl Into<String>, jobs: u32) -> Self {
        self.limit(Limit::concurrency(key, jobs))
    }

    /// At most `count` attempts of jobs with this key start in `per`, evenly spaced, over all queues
    /// and workers.
    pub fn rate_limit(self, key: impl Into<String>, count: u32, per: Duration) -> Self {
        self.limit(Limit::rate(key, count, per))
    }

    /// The same job with a result of any type, so that jobs of several types fit in one list.
    pub fn untyped(self) -> Enqueue<'a, serde_json::Value> {
        Enqueue { client: self.client, inner: self.inner.untyped() }
    }

    /// Checks everything and writes the job, without sending it; see [`Client::enqueue_many`].
    ///
    /// # Errors
    /// [`EnqueueError`], all but `Transport`.
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
    /// Sends the job; returns once the broker has it.
    ///
    /// # Errors
    /// [`EnqueueError`]. After a timeout the broker may have it: send it again under the same id.
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
