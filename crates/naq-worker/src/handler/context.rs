//! [`Context`]: what a handler knows about its attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, EncryptedJob, Enqueue};
use naq_core::{ErrorKind, Job, JobId, Payload, QueueName, TaskName, Timestamp, WorkerId};
use tokio_util::sync::CancellationToken;

use super::AttemptContext;

/// The second argument of every handler: which attempt this is, the registry's state, and when to
/// stop. Cheap to clone.
#[derive(Clone)]
pub struct Context<S = ()> {
    attempt: Arc<AttemptContext>,
    state: S,
}

/// The error of an earlier attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError<'a> {
    /// The error kind.
    pub kind: &'a ErrorKind,
    /// The error message.
    pub message: &'a str,
}

impl fmt::Display for LastError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl Context<()> {
    pub(crate) fn new(attempt: Arc<AttemptContext>) -> Self {
        Self { attempt, state: () }
    }

    pub(crate) fn with_state<S>(self, state: S) -> Context<S> {
        Context { attempt: self.attempt, state }
    }

    pub(crate) fn args(&self) -> &Payload {
        &self.attempt.args
    }
}

impl<S> Context<S> {
    pub(super) fn attempt_context(&self) -> &AttemptContext {
        &self.attempt
    }

    /// The state of the registry.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The job's id.
    pub fn job_id(&self) -> &JobId {
        &self.attempt.envelope.id
    }

    /// The job's queue.
    pub fn queue(&self) -> &QueueName {
        &self.attempt.envelope.queue
    }

    /// The task's name.
    pub fn task(&self) -> &TaskName {
        &self.attempt.envelope.task
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt.envelope.attempt
    }

    /// The largest number of attempts: the first and all retries.
    pub fn max_attempts(&self) -> u32 {
        self.attempt.envelope.max_attempts()
    }

    /// Whether no retry is left.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    /// How many workers have died or lost their lease while they ran this job.
    pub fn crashes(&self) -> u32 {
        self.attempt.envelope.crashes
    }

    /// How often this job was put off without an attempt: by its handler or by a gate.
    pub fn snoozes(&self) -> u32 {
        self.attempt.envelope.snoozes
    }

    /// The error of the last attempt that failed. None on the first attempt.
    pub fn last_error(&self) -> Option<LastError<'_>> {
        let record = self.attempt.envelope.last_error()?;
        let kind = record.error_kind.as_ref()?;
        let stored = record.message.as_deref().unwrap_or_default();
        let open = |job: &EncryptedJob| job.open_message(stored).into_owned();
        let message = match &self.attempt.encrypted {
            None => stored,
            Some(job) => self.attempt.opened_error.get_or_init(|| open(job)),
        };
        Some(LastError { kind, message })
    }

    /// The time after which no attempt of this job starts. None by default.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.attempt.envelope.deadline
    }

    /// How long this attempt may run. None by default. After that the handler's future is dropped.
    pub fn timeout(&self) -> Option<Duration> {
        self.attempt.envelope.timeout
    }

    /// The job's tags.
    pub fn tags(&self) -> &[String] {
        &self.attempt.envelope.tags
    }

    /// The W3C trace context of the program that enqueued the job.
    pub fn traceparent(&self) -> Option<&str> {
        self.attempt.envelope.traceparent.as_deref()
    }

    /// The worker that runs this attempt.
    pub fn worker_id(&self) -> &WorkerId {
        &self.attempt.worker_id
    }

    /// A client on the worker's connection, to enqueue more jobs.
    pub fn client(&self) -> &Client {
        &self.attempt.client
    }

    /// A key for effects that must happen once, such as a payment. It is the same for every attempt
    /// of this job, after a crash or a requeue too.
    pub fn dedup_key(&self) -> &str {
        self.job_id().as_str()
    }

    /// Prepares a job that this job enqueues: a child. When the attempt runs again after a failure
    /// or a crash, the same `name` gives the same child, not a second one: the child's id is
    /// [`child_id`](Self::child_id), and a job that has run before enqueues it
    /// [`once`](Enqueue::once).
    ///
    /// ```
    /// # use naq_core::{Failure, Job};
    /// # use naq_worker::Context;
    /// # async fn f<Mail: Job>(cx: Context, mails: Vec<Mail>) -> Result<(), Failure> {
    /// for (n, mail) in mails.into_iter().enumerate() {
    ///     cx.child(format!("mail-{n}"), mail).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// When `J::NAME` is not a valid task name.
    pub fn child<J: Job>(&self, name: impl AsRef<str>, job: J) -> Enqueue<'_, J::Output> {
        let child = self.client().enqueue(job).id(self.child_id(name));
        if self.attempt.envelope.history.is_empty() { child } else { child.once() }
    }

    /// The id of the child with this name. It is the same for every attempt, after a requeue too.
    pub fn child_id(&self, name: impl AsRef<str>) -> JobId {
        JobId::derived([self.job_id().as_str(), name.as_ref()])
    }

    /// Whether the handler should stop: the job was cancelled, its lease is lost, or the worker
    /// shuts down and the grace period is over. A handler that does not return is dropped a second
    /// later, at its next await.
    pub fn is_cancelled(&self) -> bool {
        self.attempt.held.stop_token.is_cancelled()
    }

    /// Returns when the handler should stop.
    pub async fn cancelled(&self) {
        self.attempt.held.stop_token.cancelled().await;
    }

    /// The token behind [`cancelled`](Self::cancelled), to pass on.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.attempt.held.stop_token
    }
}

impl<S> fmt::Display for Context<S> {
    /// `attempt 2 of 4`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "attempt {} of {}", self.attempt(), self.max_attempts())
    }
}

impl<S> fmt::Debug for Context<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("job_id", self.job_id())
            .field("queue", self.queue())
            .field("task", self.task())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}
