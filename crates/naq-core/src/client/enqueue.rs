//! The builder behind [`Client::enqueue`].

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use serde::Serialize;

use super::{Client, EnqueueError, JobHandle};
use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::job::JobOptions;
use crate::names::{JobId, NameError, QueueName, TaskName};
use crate::retry::{Delay, Jitter, PolicyBuilder, RetryPolicy, Strategy};
use crate::transport::{JobKey, Receipt, Submission};
use crate::wire::{EncodeError, Envelope, Payload};

/// A job about to be enqueued: `.await` it. The retry options have the names of the reference
/// document; see [`RetryPolicy`] for their defaults.
#[must_use = "nothing is enqueued until this is awaited"]
#[derive(Debug)]
pub struct Enqueue<'a, O> {
    client: &'a Client,
    task: TaskName,
    args: Result<Payload, EncodeError>,
    queue: Result<QueueName, NameError>,
    id: Option<Result<JobId, NameError>>,
    policy: PolicyBuilder,
    timeout: Option<Duration>,
    due_at: Option<Timestamp>,
    deadline: Option<Timestamp>,
    record_ttl: Option<Duration>,
    tags: Vec<String>,
    traceparent: Option<String>,
    output: PhantomData<fn() -> O>,
}

/// A job ready to be sent: by [`Client::enqueue_many`], with others at once.
#[derive(Debug)]
pub struct Prepared<O> {
    pub(super) submission: Submission,
    output: PhantomData<fn() -> O>,
}

impl<'a, O> Enqueue<'a, O> {
    pub(super) fn new<A: Serialize + ?Sized>(
        client: &'a Client,
        task: TaskName,
        args: &A,
        options: JobOptions,
    ) -> Self {
        Self {
            client,
            task,
            args: Payload::encode(client.codec, args),
            queue: Ok(options.queue.unwrap_or_else(|| client.queue.clone())),
            id: None,
            policy: options.policy.unwrap_or_default().to_builder(),
            timeout: options.timeout,
            due_at: None,
            deadline: None,
            record_ttl: options.record_ttl,
            tags: options.tags,
            traceparent: None,
            output: PhantomData,
        }
    }

    /// The queue.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = QueueName::new(queue);
        self
    }

    /// The job's id. The same id twice is one job: while a job of this id waits or runs, and for
    /// the broker's dedup window after it was enqueued, another is not added.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// The whole retry policy at once.
    pub fn policy(mut self, policy: &RetryPolicy) -> Self {
        self.policy = policy.to_builder();
        self
    }

    fn retry(mut self, change: impl FnOnce(PolicyBuilder) -> PolicyBuilder) -> Self {
        self.policy = change(self.policy);
        self
    }

    /// Tries after the first.
    pub fn max_retries(self, max_retries: u32) -> Self {
        self.retry(|p| p.max_retries(max_retries))
    }

    /// The delay before a retry, or a list with one for each.
    pub fn retry_delay(self, delay: impl Into<Delay>) -> Self {
        self.retry(|p| p.delay(delay))
    }

    /// How the delay grows.
    pub fn retry_strategy(self, strategy: Strategy) -> Self {
        self.retry(|p| p.strategy(strategy))
    }

    /// With [`Strategy::Linear`]: by how much the delay grows each time.
    pub fn retry_increment(self, increment: Duration) -> Self {
        self.retry(|p| p.increment(increment))
    }

    /// With [`Strategy::Exponential`]: the factor by which the delay grows each time.
    pub fn retry_multiplier(self, multiplier: f64) -> Self {
        self.retry(|p| p.multiplier(multiplier))
    }

    /// No delay is longer than this.
    pub fn max_delay(self, max_delay: Duration) -> Self {
        self.retry(|p| p.max_delay(max_delay))
    }

    /// Spreads retries, so that jobs that failed together do not come back together.
    pub fn jitter(self, jitter: Jitter) -> Self {
        self.retry(|p| p.jitter(jitter))
    }

    /// Retry only errors of these kinds; empty for any.
    pub fn retry_on<K: Into<ErrorKind>>(self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.retry(|p| p.retry_on(kinds))
    }

    /// Never retry errors of these kinds. Wins over `retry_on`.
    pub fn ignore_on<K: Into<ErrorKind>>(self, kinds: impl IntoIterator<Item = K>) -> Self {
        self.retry(|p| p.ignore_on(kinds))
    }

    /// Makes no retry that would start later than this after the first attempt began.
    pub fn retry_for(self, span: Duration) -> Self {
        self.retry(|p| p.retry_for(span))
    }

    /// Worker deaths before the job counts as poison.
    pub fn max_crashes(self, max_crashes: u32) -> Self {
        self.retry(|p| p.max_crashes(max_crashes))
    }

    /// The longest that one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Runs it after `delay`, not at once.
    pub fn delay(self, delay: Duration) -> Self {
        let due = self.client.clock.now() + delay;
        self.at(due)
    }

    /// Runs it at this time, not at once. A time that is past means at once.
    pub fn at(mut self, due: Timestamp) -> Self {
        self.due_at = Some(due);
        self
    }

    /// Starts no attempt after this time.
    pub fn deadline(mut self, deadline: Timestamp) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// How long the record of the finished job is kept; zero for none.
    pub fn record_ttl(mut self, ttl: Duration) -> Self {
        self.record_ttl = Some(ttl);
        self
    }

    /// Adds a tag.
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tags.push(tag.into());
        self
    }

    /// The W3C trace context that the job belongs to.
    pub fn traceparent(mut self, traceparent: impl Into<String>) -> Self {
        self.traceparent = Some(traceparent.into());
        self
    }

    /// Checks everything and writes the job, without sending it.
    ///
    /// # Errors
    /// [`EnqueueError`], all but `Transport`.
    pub fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        let now = self.client.clock.now();
        let unique = self.id.is_some();
        let id = self.id.transpose()?.unwrap_or_else(JobId::random);
        let mut job = Envelope::new(self.queue?, id, self.task, self.args?, now);
        job.policy = self.policy.try_build()?;
        if self.timeout.is_some_and(|t| t.is_zero()) {
            return Err(EnqueueError::Option("timeout is zero: leave it out for no limit".into()));
        }
        job.timeout = self.timeout;
        job.deadline = self.deadline;
        job.due_at = self.due_at.filter(|due| *due > now);
        if let Some(ttl) = self.record_ttl {
            job.record_ttl = ttl;
        }
        job.tags = self.tags;
        job.check_tags().map_err(EnqueueError::Option)?;
        job.traceparent = self.traceparent;
        Ok(Prepared {
            submission: Submission {
                dedup: job.id.to_string(),
                due_at: job.due_at,
                unique,
                message: job.to_message()?,
                key: JobKey { queue: job.queue, id: job.id },
            },
            output: PhantomData,
        })
    }
}

impl<O> Prepared<O> {
    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.submission.key.id
    }
}

impl<'a, O: Send + 'static> IntoFuture for Enqueue<'a, O> {
    type Output = Result<JobHandle<O>, EnqueueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let client = self.client;
        Box::pin(async move {
            let prepared = self.prepare()?;
            let key = prepared.submission.key.clone();
            let receipt = client.transport.publish(prepared.submission).await?;
            Ok(JobHandle::new(client.clone(), key, receipt == Receipt::Duplicate))
        })
    }
}

impl Client {
    /// Sends many prepared jobs, with many under way at once; one answer a job, in their order.
    pub async fn enqueue_many<O: Send + 'static>(
        &self,
        jobs: impl IntoIterator<Item = Prepared<O>>,
    ) -> Vec<Result<JobHandle<O>, EnqueueError>> {
        let submissions: Vec<_> = jobs.into_iter().map(|job| job.submission).collect();
        let keys: Vec<_> = submissions.iter().map(|s| s.key.clone()).collect();
        let receipts = self.transport.publish_many(submissions).await;
        keys.into_iter()
            .zip(receipts)
            .map(|(key, receipt)| {
                Ok(JobHandle::new(self.clone(), key, receipt? == Receipt::Duplicate))
            })
            .collect()
    }
}
