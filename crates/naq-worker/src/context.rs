//! [`Context`]: what a handler knows of its attempt.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use naq_client::{Client, Enqueue};
use naq_core::{
    Envelope, ErrorKind, Job, JobId, Payload, QueueName, TaskName, Timer, Timestamp, WorkerId,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::execute::Stage;
use crate::held::Held;

/// The second argument of every handler: which attempt this is, the worker's state, and what tells
/// when to stop. Cheap to clone.
#[derive(Clone)]
pub struct Context<S = ()> {
    scene: Arc<Scene>,
    state: S,
}

/// An attempt, before any state is added.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) envelope: Envelope,
    pub(crate) worker: WorkerId,
    pub(crate) client: Client,
    pub(crate) timer: Arc<dyn Timer>,
    /// What handlers run on.
    pub(crate) runtime: Handle,
    pub(crate) held: Arc<Held>,
}

impl Scene {
    /// An attempt of `envelope`, to be made here and now.
    pub(crate) fn new(stage: &Stage, held: &Arc<Held>, envelope: Envelope) -> Self {
        Self {
            envelope,
            worker: stage.worker.clone(),
            client: stage.client.clone(),
            timer: stage.timer.clone(),
            runtime: Handle::current(),
            held: held.clone(),
        }
    }
}

/// How the attempt before this one ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastError<'a> {
    /// Its kind.
    pub kind: &'a ErrorKind,
    /// Its message.
    pub message: &'a str,
}

impl fmt::Display for LastError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

impl Context<()> {
    pub(crate) fn new(scene: Arc<Scene>) -> Self {
        Self { scene, state: () }
    }

    pub(crate) fn with_state<S>(self, state: S) -> Context<S> {
        Context { scene: self.scene, state }
    }

    pub(crate) fn args(&self) -> &Payload {
        &self.scene.envelope.args
    }
}

impl<S> Context<S> {
    pub(crate) fn scene(&self) -> &Scene {
        &self.scene
    }

    /// The state that the registry was made with.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// The job's id.
    pub fn job_id(&self) -> &JobId {
        &self.scene.envelope.id
    }

    /// The queue it came from.
    pub fn queue(&self) -> &QueueName {
        &self.scene.envelope.queue
    }

    /// The task's name.
    pub fn task(&self) -> &TaskName {
        &self.scene.envelope.task
    }

    /// Which attempt this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.scene.envelope.attempt
    }

    /// Attempts in all: retries and the first.
    pub fn max_attempts(&self) -> u32 {
        self.scene.envelope.max_attempts()
    }

    /// Whether no retry is left.
    pub fn is_last_attempt(&self) -> bool {
        self.attempt() >= self.max_attempts()
    }

    /// How many workers have died, or lost their lease, while they ran this job.
    pub fn crashes(&self) -> u32 {
        self.scene.envelope.crashes
    }

    /// How often a handler of this job has asked to be run later.
    pub fn snoozes(&self) -> u32 {
        self.scene.envelope.snoozes
    }

    /// How the last attempt that went wrong ended; none on the first.
    pub fn last_error(&self) -> Option<LastError<'_>> {
        let record = self.scene.envelope.last_error()?;
        let kind = record.error_kind.as_ref()?;
        Some(LastError { kind, message: record.message.as_deref().unwrap_or_default() })
    }

    /// The moment after which no attempt of this job begins; none by default.
    pub fn deadline(&self) -> Option<Timestamp> {
        self.scene.envelope.deadline
    }

    /// The longest that this attempt may run; none by default. When it is over, the handler's
    /// future is dropped.
    pub fn timeout(&self) -> Option<Duration> {
        self.scene.envelope.timeout
    }

    /// The job's tags.
    pub fn tags(&self) -> &[String] {
        &self.scene.envelope.tags
    }

    /// The W3C trace context of whoever enqueued it.
    pub fn traceparent(&self) -> Option<&str> {
        self.scene.envelope.traceparent.as_deref()
    }

    /// The worker that runs this attempt.
    pub fn worker_id(&self) -> &WorkerId {
        &self.scene.worker
    }

    /// A client on the worker's connection, to enqueue more jobs.
    pub fn client(&self) -> &Client {
        &self.scene.client
    }

    /// A key for effects that must happen once, such as a payment: the same for every attempt of
    /// this job, also after a crash or a requeue.
    pub fn dedup_key(&self) -> &str {
        self.job_id().as_str()
    }

    /// Prepares a job that this one enqueues. An attempt that runs again, after a failure or a crash,
    /// prepares the same child under the same `name`, and not another one: its id is
    /// [`child_id`](Self::child_id), and on a job that has run before it is enqueued
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
    /// When `J::NAME` is no task name.
    pub fn child<J: Job>(&self, name: impl AsRef<str>, job: J) -> Enqueue<'_, J::Output> {
        let child = self.client().enqueue(job).id(self.child_id(name));
        if self.scene.envelope.history.is_empty() { child } else { child.once() }
    }

    /// The id of a job that this one enqueues under `name`: the same for every attempt, also after a
    /// requeue.
    pub fn child_id(&self, name: impl AsRef<str>) -> JobId {
        JobId::derived([self.job_id().as_str(), name.as_ref()])
    }

    /// Whether the handler should stop: the job was cancelled, the worker lost it, or the worker
    /// shuts down and the grace period is over. A handler that does not look is dropped at its next
    /// await a second later.
    pub fn is_cancelled(&self) -> bool {
        self.scene.held.cancel.is_cancelled()
    }

    /// Returns when the handler should stop.
    pub async fn cancelled(&self) {
        self.scene.held.cancel.cancelled().await;
    }

    /// The token behind [`cancelled`](Self::cancelled), to hand on.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.scene.held.cancel
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
