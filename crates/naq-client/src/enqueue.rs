//! The builder behind [`Client::enqueue`].

mod bulk;
#[cfg(feature = "metrics")]
mod counter;
mod follow_up;
mod limits;
mod once;
mod retries;
pub(crate) mod telemetry;
mod times;
mod unique;

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::flow::{FollowUp, Limit, Unique};
use naq_core::job::JobOptions;
use naq_core::names::{JobId, NameError, QueueName, TaskName};
use naq_core::retry::PolicyBuilder;
use naq_core::transport::{JobKey, Receipt, Submission};
use naq_core::wire::{EncodeError, Envelope, Payload};
use serde::Serialize;

pub use self::bulk::Prepare;
use crate::depends::{Waiting, Wish};
use crate::enqueue::telemetry::Sending;
use crate::unique::{Taken, Wanted};
use crate::{Client, EnqueueError, JobHandle};

/// A job about to be enqueued: `.await` it. The retry options have the names of the reference
/// document; see [`RetryPolicy`](naq_core::retry::RetryPolicy) for their defaults.
#[must_use = "nothing is enqueued until this is awaited"]
#[derive(Debug)]
pub struct Enqueue<'a, O> {
    client: &'a Client,
    task: TaskName,
    args: Result<Payload, EncodeError>,
    queue: Result<QueueName, NameError>,
    pub(crate) id: Option<Result<JobId, NameError>>,
    policy: PolicyBuilder,
    timeout: Option<Duration>,
    due_at: Option<Timestamp>,
    deadline: Option<Timestamp>,
    pub(crate) expires_in: Option<Duration>,
    record_ttl: Option<Duration>,
    tags: Vec<String>,
    unique: Option<Unique>,
    limits: Vec<Limit>,
    on_exhausted: Option<FollowUp>,
    once: bool,
    traceparent: Option<String>,
    pub(crate) wish: Wish,
    output: PhantomData<fn() -> O>,
}

/// A job ready to be sent: by [`Client::enqueue_many`], with others at once.
#[derive(Debug)]
pub struct Prepared<O> {
    submission: Submission,
    wanted: Option<Wanted>,
    once: bool,
    waiting: Option<Box<Waiting>>,
    sending: Sending,
    output: PhantomData<fn() -> O>,
}

impl<'a, O> Enqueue<'a, O> {
    pub(crate) fn new<A: Serialize + ?Sized>(
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
            expires_in: options.expires_in,
            record_ttl: options.record_ttl.or(client.record_ttl),
            tags: options.tags,
            unique: options.unique,
            limits: options.limits,
            on_exhausted: options.on_exhausted,
            once: false,
            traceparent: None,
            wish: Wish::default(),
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

    /// The longest that one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
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
        let (unique, once) = (self.id.is_some(), self.once);
        Ok(Prepared { once, ..Prepared::new(self.write()?, unique)? })
    }

    /// Whether its id was chosen.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The job as it will be stored.
    pub(crate) fn write(self) -> Result<Envelope, EnqueueError> {
        let now = self.client.clock.now();
        let id = self.id.transpose()?.unwrap_or_else(JobId::random);
        let mut job = Envelope::new(self.queue?, id, self.task, self.args?, now);
        job.policy = self.policy.try_build()?;
        if self.timeout.is_some_and(|t| t.is_zero()) {
            return Err(EnqueueError::Option("timeout is zero: leave it out for no limit".into()));
        }
        job.timeout = self.timeout;
        job.due_at = self.due_at.filter(|due| *due > now);
        let expires_at = self.expires_in.map(|span| job.due_at.unwrap_or(now) + span);
        job.deadline = self.deadline.into_iter().chain(expires_at).min();
        if let Some(ttl) = self.record_ttl {
            job.record_ttl = ttl;
        }
        job.tags = self.tags;
        job.check_tags().map_err(EnqueueError::Option)?;
        job.traceparent = self.traceparent;
        job.on_exhausted = self.on_exhausted;
        if let Some(unique) = &self.unique {
            unique.check().map_err(EnqueueError::Option)?;
        }
        job.unique = self.unique;
        Limit::check_all(&self.limits).map_err(EnqueueError::Option)?;
        job.limits = self.limits;
        self.wish.write(&mut job)?;
        Ok(job)
    }
}

impl<O> Prepared<O> {
    /// A job that goes as it is; `unique` where its id was chosen.
    pub(crate) fn new(mut job: Envelope, unique: bool) -> Result<Self, EnqueueError> {
        let sending = Sending::begin(&mut job);
        Ok(Self {
            sending,
            wanted: Wanted::by(&job),
            once: false,
            waiting: Waiting::of(&job),
            submission: Submission {
                dedup: job.id.to_string(),
                due_at: job.due_at.or_else(|| job.first_check()),
                unique,
                message: job.to_message()?,
                key: JobKey { queue: job.queue, id: job.id },
            },
            output: PhantomData,
        })
    }

    /// Whether there is more to do than to send it.
    fn is_more(&self) -> bool {
        self.wanted.is_some() || self.waiting.is_some() || self.once
    }

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
        Box::pin(async move { client.send(self.prepare()?).await })
    }
}

impl Client {
    /// Sends the job, and ties it to those that it waits for, if there are any.
    async fn send<O>(&self, mut job: Prepared<O>) -> Result<JobHandle<O>, EnqueueError> {
        let Some(waiting) = job.waiting.take() else { return self.send_alone(job).await };
        let parents = Box::pin(self.before_send(&waiting)).await?;
        let sent = self.send_alone(job).await?;
        if sent.held_by().is_none() {
            Box::pin(self.after_send(&waiting, &parents, sent.is_duplicate())).await?;
        }
        Ok(sent)
    }

    /// Takes the job's key, if it wants one, and then sends the job.
    pub(crate) async fn send_alone<O>(
        &self,
        job: Prepared<O>,
    ) -> Result<JobHandle<O>, EnqueueError> {
        let Prepared { submission, wanted, once, sending, .. } = job;
        let key = submission.key.clone();
        if once && !self.transport.locate(&key).await?.is_empty() {
            return Ok(JobHandle::new(self.clone(), key, true));
        }
        let step = submission.message.step();
        let handle = |receipt| {
            JobHandle::new(self.clone(), key, receipt == Receipt::Duplicate).of_life(step)
        };
        let Some(wanted) = wanted else {
            let receipt = self.transport.publish(submission).await;
            sending.end(&receipt);
            return Ok(handle(receipt?));
        };
        match self.take(&submission, &wanted).await? {
            Taken::By(holder) => Ok(JobHandle::held_by_another(self.clone(), holder)),
            Taken::Ours(revision) => {
                let receipt = self.transport.publish(submission).await;
                sending.end(&receipt);
                Ok(handle(self.sent(&wanted, revision, receipt).await?))
            }
        }
    }
}
