//! [`EnqueueLayer`]: the user's code before a job is written and after the broker answered.

use std::fmt;
use std::sync::Arc;

use naq_core::names::{JobId, JobKey, QueueName, TaskName};
use naq_core::wire::{Envelope, Payload};

use crate::{Client, EnqueueError, JobHandle};

/// Code around every job that a [`Client`] enqueues. Add one with [`Client::layer`].
///
/// [`before`](Self::before) runs when the job is written: also for the jobs of a
/// [`Workflow`](crate::Workflow), for the template of a schedule, and for a job that is prepared for
/// [`Client::enqueue_many`]. [`after`](Self::after) runs when the broker has answered an enqueue. Layers
/// run in the task of the caller: do not block in them.
///
/// ```
/// use naq_client::{Client, EnqueueLayer, OutgoingJob};
/// # use naq_memory::MemoryTransport;
/// # use std::sync::Arc;
///
/// /// Each job carries its tenant, so that a worker can find it.
/// struct Tenant(String);
///
/// impl EnqueueLayer for Tenant {
///     fn before(&self, job: &mut OutgoingJob<'_>) -> Result<(), String> {
///         job.add_tag(format!("tenant:{}", self.0));
///         Ok(())
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Arc::new(MemoryTransport::new())).layer(Tenant("acme".into()));
/// let job = client.enqueue_task("email.send", &["ann@example.com"])?.await?;
/// assert_eq!(job.report().await?.envelope.expect("stored").tags, ["tenant:acme"]);
/// # Ok(())
/// # }
/// ```
pub trait EnqueueLayer: Send + Sync + 'static {
    /// Before the job is encoded. May change it, or refuse it with a sentence that says why: the
    /// enqueue then fails with [`EnqueueError::Layer`], and nothing is sent. Does nothing by default.
    ///
    /// # Errors
    /// Why the job is refused.
    fn before(&self, job: &mut OutgoingJob<'_>) -> Result<(), String> {
        let _ = job;
        Ok(())
    }

    /// After the broker answered, or failed to. Does nothing by default. Does not run if the caller
    /// drops the enqueue before that, nor for the jobs of a workflow or a schedule, which others send.
    fn after(&self, job: &JobKey, answer: Result<Enqueued, &EnqueueError>) {
        let _ = (job, answer);
    }
}

/// What an enqueue did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Enqueued {
    /// It added the job.
    Added,
    /// It added no job: one of this id was there already.
    Duplicate,
    /// It added no job: another job holds the unique key that it wanted.
    KeyHeld,
}

/// A job that is about to be written, as a layer sees it.
pub struct OutgoingJob<'a>(&'a mut Envelope);

impl OutgoingJob<'_> {
    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.0.id
    }

    /// The queue that it goes to.
    pub fn queue(&self) -> &QueueName {
        &self.0.queue
    }

    /// The name of its task.
    pub fn task(&self) -> &TaskName {
        &self.0.task
    }

    /// Its arguments.
    pub fn args(&self) -> &Payload {
        &self.0.args
    }

    /// Its tags.
    pub fn tags(&self) -> &[String] {
        &self.0.tags
    }

    /// Adds a tag, unless the job has it.
    pub fn add_tag(&mut self, tag: impl Into<String>) {
        let tag = tag.into();
        if !self.0.tags.contains(&tag) {
            self.0.tags.push(tag);
        }
    }

    /// The W3C trace context that it belongs to.
    pub fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// Sets the W3C trace context that it belongs to.
    pub fn set_traceparent(&mut self, traceparent: impl Into<String>) {
        self.0.traceparent = Some(traceparent.into());
    }
}

impl fmt::Debug for OutgoingJob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutgoingJob")
            .field("id", self.id())
            .field("queue", self.queue())
            .field("task", self.task())
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Puts code around every enqueue of this client and of its later clones. The first layer is the
    /// outermost one: its [`before`](EnqueueLayer::before) runs first, and its
    /// [`after`](EnqueueLayer::after) last.
    #[doc(alias = "middleware")]
    #[must_use]
    pub fn layer(mut self, layer: impl EnqueueLayer) -> Self {
        self.layers.0.push(Arc::new(layer));
        self
    }
}

/// The layers of a client, the outermost first.
#[derive(Clone, Default)]
pub(crate) struct EnqueueLayers(Vec<Arc<dyn EnqueueLayer>>);

impl EnqueueLayers {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn before(&self, job: &mut Envelope) -> Result<(), EnqueueError> {
        for layer in &self.0 {
            layer.before(&mut OutgoingJob(job)).map_err(EnqueueError::Layer)?;
        }
        Ok(())
    }

    pub(super) fn after<O>(&self, job: &JobKey, answer: &Result<JobHandle<O>, EnqueueError>) {
        let answer = answer.as_ref().map(|sent| match sent.held_by() {
            Some(_) => Enqueued::KeyHeld,
            None if sent.is_duplicate() => Enqueued::Duplicate,
            None => Enqueued::Added,
        });
        for layer in self.0.iter().rev() {
            layer.after(job, answer);
        }
    }
}

impl fmt::Debug for EnqueueLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} layers", self.0.len())
    }
}
