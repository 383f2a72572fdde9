//! [`Job`]: the arguments of a task as a type, shared by the code that enqueues and the handler.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::flow::{FollowUp, Limit, Unique};
use crate::names::QueueName;
use crate::retry::RetryPolicy;

/// The arguments of a job as a type, with the name of its task and the result of its handler.
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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a job",
    label = "no `impl Job` for `{Self}`",
    note = "write `#[derive(Serialize, Deserialize, Job)]` and `#[job(name = \"...\")]` at the type, or `impl Job for {Self}`"
)]
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// The name of the task. Keep it when you rename the type, because stored jobs have it.
    const NAME: &'static str;
    /// What the handler returns on success: the result of the job.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// The default options of every job of this type. An enqueue can override each.
    fn options() -> JobOptions {
        JobOptions::default()
    }
}

/// The options of a job. An enqueue can override each.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JobOptions {
    /// The queue. `None` for the default queue of the client.
    pub queue: Option<QueueName>,
    /// The retry policy. `None` for [`RetryPolicy::conservative`].
    pub policy: Option<RetryPolicy>,
    /// The longest time that one attempt may run. `None` for no limit.
    pub timeout: Option<Duration>,
    /// How long the broker keeps the record. `None` for the default of the client, zero for no record.
    pub record_ttl: Option<Duration>,
    /// Labels for finding the job.
    pub tags: Vec<String>,
    /// The follow-up job, which NAQ enqueues when this job dies.
    pub on_exhausted: Option<FollowUp>,
    /// How long after its due time the job may still start. `None` for no limit.
    pub expires_in: Option<Duration>,
    /// The unique key. At most one job holds it.
    pub unique: Option<Unique>,
    /// The limits that the job shares with other jobs.
    pub limits: Vec<Limit>,
}

impl JobOptions {
    /// The defaults: the default queue of the client, the conservative policy, no timeout, and a record
    /// that is kept for an hour.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the queue.
    ///
    /// # Panics
    /// If `queue` is not a valid queue name.
    #[must_use]
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = Some(QueueName::new(queue).unwrap_or_else(|err| panic!("{err}")));
        self
    }

    /// Sets the retry policy.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Sets the longest time that one attempt may run; no limit by default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets how long the broker keeps the record; 1 hour by default, zero for no record.
    #[must_use]
    pub fn record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// Sets the job that NAQ enqueues when this one dies: `order.refund`, or a [`FollowUp`] with a queue
    /// and a policy.
    ///
    /// # Panics
    /// If a text is not a valid task name.
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

    /// No attempt starts later than this after the job is due, which is at its enqueue or at its
    /// scheduled time; no limit by default.
    #[must_use]
    pub fn expires_in(mut self, span: Duration) -> Self {
        self.expires_in = Some(span);
        self
    }

    /// At most one job with this key until it has ended; see `Enqueue::unique` in the crate `naq-client`.
    #[must_use]
    pub fn unique(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(Unique::until_finished(key));
        self
    }

    /// At most one job with this key until its first attempt starts.
    #[must_use]
    pub fn unique_until_started(mut self, key: impl Into<String>) -> Self {
        self.unique = Some(Unique::until_started(key));
        self
    }

    /// At most one job with this key in this time, rounded up to whole seconds.
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

    /// Adds a limit.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        limit.add_to(&mut self.limits);
        self
    }
}
