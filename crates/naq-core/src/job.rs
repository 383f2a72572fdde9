//! [`Job`]: the contract between who enqueues and who handles.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flow::{FollowUp, Limit, Unique};
use crate::names::QueueName;
use crate::retry::RetryPolicy;

/// A job's arguments as a type, with the name of its task and what its handler returns.
///
/// ```
/// use naq_core::{Job, JobOptions, retry::RetryPolicy};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct SendEmail {
///     to: String,
/// }
///
/// impl Job for SendEmail {
///     const NAME: &'static str = "email.send";
///     type Output = ();
///
///     fn options() -> JobOptions {
///         JobOptions::new().queue("mail").policy(RetryPolicy::aggressive())
///     }
/// }
/// ```
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The name of the task. It stays when the type is renamed: jobs already stored carry it.
    const NAME: &'static str;
    /// What the handler returns, kept as the job's result.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// What every job of this type starts from; each can still be changed at enqueue.
    fn options() -> JobOptions {
        JobOptions::default()
    }
}

/// What a job starts from. All of it can be overridden at enqueue.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobOptions {
    /// The queue; none for the client's default queue.
    pub queue: Option<QueueName>,
    /// The retry policy; none for the conservative one.
    pub policy: Option<RetryPolicy>,
    /// How long one attempt may run; none for no limit.
    pub timeout: Option<Duration>,
    /// How long the record of the job is kept; none for the client's default, zero for no record.
    pub record_ttl: Option<Duration>,
    /// Free words to find the job by.
    pub tags: Vec<String>,
    /// The job that follows when this one is dead.
    pub on_exhausted: Option<FollowUp>,
    /// How long after its enqueue the job may still start; none for no limit.
    pub expires_in: Option<Duration>,
    /// The key of which at most one job exists at a time.
    pub unique: Option<Unique>,
    /// The limits that all workers share and that the job counts against.
    pub limits: Vec<Limit>,
}

impl JobOptions {
    /// Nothing set: the client's default queue, the conservative policy, no timeout, a record kept
    /// for an hour.
    pub fn new() -> Self {
        Self::default()
    }

    /// The queue.
    ///
    /// # Panics
    /// When it is no queue name.
    #[must_use]
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = Some(QueueName::new(queue).unwrap_or_else(|err| panic!("{err}")));
        self
    }

    /// The retry policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// The longest that one attempt may run; no limit by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the record of the finished job is kept; zero for none. 1 hour by default.
    #[must_use]
    pub fn record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// The job that is enqueued when this one dies: `order.refund`, or a [`FollowUp`] with its queue
    /// and policy.
    ///
    /// # Panics
    /// When it is a text that is no task name.
    #[must_use]
    pub fn on_exhausted_job(mut self, follow_up: impl Into<FollowUp>) -> Self {
        self.on_exhausted = Some(follow_up.into());
        self
    }

    /// Adds a tag.
    #[must_use]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }
    /// Starts no attempt later than this after the job was due: when it was enqueued, or the time
    /// that it waited for. None by default.
    #[must_use]
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.expires_in = Some(span);
        self
    }

    /// At most one job of this key until it has ended; see `Enqueue::unique` in the crate `naq-client`.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(Unique::until_finished(key));
        self
    }

    /// At most one job of this key until it starts.
    #[must_use]
    pub fn unique_until_started(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(Unique::until_started(key));
        self
    }

    /// At most one job of this key in this time; rounded up to whole seconds.
    #[must_use]
    pub fn unique_for(mut self, key: impl Into<String>, time: Duration) -> Self {
        self.unique = Some(Unique::for_time(key, time));
        self
    }
    /// At most `jobs` with this key run at once; see
    /// `Enqueue::concurrency_key` in the crate `naq-client`.
    #[must_use]
    pub fn concurrency_key(self, key: impl Into<String>, jobs: u32) -> Self {
        self.limit(Limit::concurrency(key, jobs))
    }

    /// At most `count` attempts of jobs with this key start in `per`; see
    /// `Enqueue::rate_limit` in the crate `naq-client`.
    #[must_use]
    pub fn rate_limit(self, key: impl Into<String>, count: u32, per: Duration) -> Self {
        self.limit(Limit::rate(key, count, per))
    }

    /// Any limit.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        limit.add_to(&mut self.limits);
        self
    }
}
