//! [`Enqueue`]: the builder that [`Client::enqueue`] returns.

use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::pin::Pin;
use std::time::Duration;

use naq_core::flow::{FollowUp, Limit, Unique};
use naq_core::job::{Job, JobOptions};
use naq_core::names::{JobId, NameError, QueueName, TaskName, check_unreserved};
use naq_core::retry::PolicyBuilder;
use naq_core::wire::{EncodeError, Envelope, Payload};
use serde::Serialize;

use crate::depends::DependencySpec;
use crate::enqueue::coalesce::Coalesce;
use crate::enqueue::job_times::JobTimes;
use crate::enqueue::{LargeArgs, Prepared};
use crate::{Client, EnqueueError, JobHandle};

/// A job that is not enqueued yet: `.await` it. For the defaults of the retry options see
/// [`RetryPolicy`](naq_core::retry::RetryPolicy).
#[must_use = "nothing is enqueued until this is awaited"]
#[derive(Debug)]
pub struct Enqueue<'a, O> {
    pub(super) client: &'a Client,
    pub(super) task: TaskName,
    pub(super) args: Result<Payload, EncodeError>,
    pub(super) queue: Result<QueueName, NameError>,
    pub(crate) id: Option<Result<JobId, NameError>>,
    pub(super) policy: PolicyBuilder,
    pub(super) timeout: Option<Duration>,
    pub(crate) times: JobTimes,
    pub(super) record_ttl: Option<Duration>,
    pub(super) tags: Vec<String>,
    pub(super) unique: Option<Unique>,
    pub(super) coalesce: Coalesce,
    pub(super) limits: Vec<Limit>,
    pub(super) on_exhausted: Option<FollowUp>,
    pub(super) once: bool,
    pub(super) large_args: LargeArgs,
    pub(super) traceparent: Option<String>,
    pub(crate) depends: DependencySpec,
    pub(super) output: PhantomData<fn() -> O>,
}

impl Client {
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
    /// When `J::NAME` is not a valid task name.
    #[doc(alias = "send")]
    #[doc(alias = "push")]
    #[doc(alias = "add")]
    #[doc(alias = "apply_async")]
    #[doc(alias = "perform_async")]
    pub fn enqueue<J: Job>(&self, job: J) -> Enqueue<'_, J::Output> {
        let task = TaskName::new(J::NAME).unwrap_or_else(|err| panic!("{err}"));
        Enqueue::new(self, task, &job, J::options())
    }

    /// Prepares a job by the name of its task, with any arguments. Use it for tasks that have no type
    /// in this program.
    ///
    /// # Errors
    /// [`NameError`] when `task` is not a valid task name.
    pub fn enqueue_task<A: Serialize + Sync>(
        &self,
        task: &str,
        args: &A,
    ) -> Result<Enqueue<'_, serde_json::Value>, NameError> {
        Ok(Enqueue::new(self, TaskName::new(task)?, args, JobOptions::default()))
    }
}

impl<'a, O> Enqueue<'a, O> {
    fn new<A: Serialize + ?Sized>(
        client: &'a Client,
        task: TaskName,
        args: &A,
        options: JobOptions,
    ) -> Self {
        let args = Payload::encode(client.codec, args);
        Self { args, ..Self::of_payload(client, task, Payload::null(client.codec), options) }
    }

    pub(super) fn of_payload(
        client: &'a Client,
        task: TaskName,
        args: Payload,
        options: JobOptions,
    ) -> Self {
        Self {
            client,
            task,
            args: Ok(args),
            queue: Ok(options.queue.unwrap_or_else(|| client.queue.clone())),
            id: None,
            policy: options.policy.unwrap_or_default().to_builder(),
            timeout: options.timeout,
            times: JobTimes::of_type(options.expires_in),
            record_ttl: options.record_ttl.or(client.record_ttl),
            tags: options.tags,
            unique: options.unique,
            coalesce: Coalesce::default(),
            limits: options.limits,
            on_exhausted: options.on_exhausted,
            once: false,
            large_args: client.large_args,
            traceparent: None,
            depends: DependencySpec::default(),
            output: PhantomData,
        }
    }

    /// What happens to arguments that are too large for a message. The choice of the
    /// [client](Client::large_args) by default; of a job that [runs again](Client::run_again) and whose arguments were stored
    /// beside it, [`LargeArgs::Store`].
    pub fn large_args(mut self, large_args: LargeArgs) -> Self {
        self.large_args = large_args;
        self
    }

    /// The queue that the job goes to.
    pub fn queue(mut self, queue: impl AsRef<str>) -> Self {
        self.queue = QueueName::new(queue);
        self
    }

    /// The job's id. Two enqueues with the same id store one job: no second one is added while the
    /// first waits or runs, or while its record or its dead letter is kept (the record for 1 hour by
    /// default, see [`record_ttl`](Self::record_ttl)). The handle of the second one is a duplicate:
    /// see [`is_duplicate`](crate::JobHandle::is_duplicate). Costs three short look-ups.
    #[doc(alias = "job_id")]
    #[doc(alias = "task_id")]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.id = Some(JobId::new(id));
        self
    }

    /// The longest time that one attempt may run.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// How long the broker keeps the record of the finished job. With zero the job has no record.
    #[doc(alias = "result_ttl")]
    #[doc(alias = "retention")]
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

    /// Checks all options and encodes the job. Does not send it.
    ///
    /// # Errors
    /// [`EnqueueError`], all kinds except `Transport`.
    pub fn prepare(self) -> Result<Prepared<O>, EnqueueError> {
        let has_id = self.has_id();
        let once = self.once;
        let known = !self.client.only_prepares && self.client.transport.broker_now().is_some();
        let (client, times) = (self.client, self.times);
        if let Some(debounce) = self.coalesce.debounce().map_err(EnqueueError::Option)? {
            return Prepared::debounced(self.write()?, times, debounce);
        }
        let times = (times.need_a_clock() && !known).then_some(times);
        let large_args = self.large_args;
        let mut job = self.write()?;
        client.use_blob(&mut job, large_args)?;
        Ok(Prepared { once, ..Prepared::with_guessed_times(job, has_id, times)? })
    }

    /// True if the caller has chosen the job's id.
    pub(crate) fn has_id(&self) -> bool {
        self.id.is_some()
    }

    /// The job as it will be stored.
    pub(crate) fn write(self) -> Result<Envelope, EnqueueError> {
        let now = self.client.clock.now();
        let unique = self.coalesced_key()?;
        let id = self.id.transpose()?.unwrap_or_else(JobId::random);
        let queue = self.queue?;
        check_unreserved(&self.task, Some(&queue)).map_err(EnqueueError::Option)?;
        if let Some(follow_up) = &self.on_exhausted {
            let queue = follow_up.queue.as_ref();
            check_unreserved(&follow_up.task, queue).map_err(EnqueueError::Option)?;
        }
        let mut job = Envelope::new(queue, id, self.task, self.args?, now);
        job.policy = self.policy.try_build()?;
        if self.timeout.is_some_and(|t| t.is_zero()) {
            return Err(EnqueueError::Option("timeout is zero: leave it out for no limit".into()));
        }
        job.timeout = self.timeout;
        self.times.write_to(&mut job, now);
        if let Some(ttl) = self.record_ttl {
            job.record_ttl = ttl;
        }
        job.tags = self.tags;
        job.traceparent = self.traceparent;
        job.on_exhausted = self.on_exhausted;
        if let Some(unique) = &unique {
            unique.check().map_err(EnqueueError::Option)?;
        }
        job.unique = unique;
        Limit::check_all(&self.limits).map_err(EnqueueError::Option)?;
        job.limits = self.limits;
        self.depends.write_to(&mut job)?;
        self.client.layers.before(&mut job)?;
        job.check_tags().map_err(EnqueueError::Option)?;
        Ok(job)
    }
}

impl<'a, O: Send + 'static> IntoFuture for Enqueue<'a, O> {
    type Output = Result<JobHandle<O>, EnqueueError>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        let client = self.client;
        Box::pin(async move {
            if let (true, Ok(queue)) = (self.times.need_a_clock(), &self.queue) {
                client.transport.compare_clocks(queue).await;
            }
            client.send(self.prepare()?).await
        })
    }
}
