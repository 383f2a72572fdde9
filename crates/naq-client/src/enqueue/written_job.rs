//! [`WrittenJob`]: a job that is written, encrypted and signed, for a program that stores it and sends it later.

use std::marker::PhantomData;

use bytes::Bytes;
use naq_core::job::Job;
use naq_core::transport::Submission;
use naq_core::wire::Envelope;

use crate::depends::BlockedJob;
use crate::enqueue::telemetry::EnqueueTelemetry;
use crate::enqueue::{Enqueue, Prepare, Prepared};
use crate::protect::read;
use crate::unique::KeyRequest;
use crate::{Client, EnqueueError};

/// A job as it will be published, encrypted and signed by the client that made it. Another program can keep it,
/// for example as a row of a database, and a client sends it later with
/// [`enqueue_many`](Client::enqueue_many). The client that sends it changes nothing in it.
///
/// ```
/// use std::sync::Arc;
///
/// use naq_client::{Client, WriteJob, WrittenJob};
/// use naq_memory::MemoryTransport;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let client = Client::new(Arc::new(MemoryTransport::new()));
/// let job: WrittenJob = client.enqueue_task("email.send", &"ann@example.com")?.write_job(&client)?;
///
/// for sent in client.enqueue_many([job]).await {
///     println!("job {}", sent?.id());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenJob {
    /// The job's key, its due time, and the message as it will be published.
    pub submission: Submission,
    /// The arguments as their blob will hold them, if the message names a blob.
    pub large_args: Option<Bytes>,
    /// Whether the job is sent only if the broker has no message of its id: see [`Enqueue::once`].
    pub once: bool,
}

impl WrittenJob {
    /// The job that the message holds. `None` if the message is damaged.
    pub fn envelope(&self) -> Option<Envelope> {
        read(&self.submission)
    }
}

/// What can be written without being sent: a job, or a job with options.
pub trait WriteJob {
    /// Checks and encodes the job, and encrypts and signs it. A plain job gets the settings of `client`; an
    /// [`Enqueue`] has those of the client that made it.
    ///
    /// # Errors
    /// [`EnqueueError`], all kinds except `Transport`. `Option` for a debounced job: its message is made when it
    /// is sent.
    ///
    /// # Panics
    /// When a job type has a `NAME` that is not a valid task name.
    fn write_job(self, client: &Client) -> Result<WrittenJob, EnqueueError>;
}

impl<J: Job> WriteJob for J {
    fn write_job(self, client: &Client) -> Result<WrittenJob, EnqueueError> {
        client.enqueue(self).write_job(client)
    }
}

impl<O> WriteJob for Enqueue<'_, O> {
    fn write_job(self, _: &Client) -> Result<WrittenJob, EnqueueError> {
        let client = self.client;
        let prepared = self.prepare()?;
        if prepared.debounced.is_some() {
            return Err(EnqueueError::Option(
                "a debounced job cannot be stored and sent later: its message is made when it is sent; use \
                 throttle or a unique key"
                    .to_owned(),
            ));
        }
        let (submission, large_args) =
            client.protect_with_args(prepared.submission, prepared.large_args)?;
        Ok(WrittenJob { submission, large_args, once: prepared.once })
    }
}

impl Prepare for WrittenJob {
    type Output = serde_json::Value;

    fn prepare(self) -> Result<Prepared<serde_json::Value>, EnqueueError> {
        let mut job = self.envelope().ok_or_else(|| {
            EnqueueError::Option("the message cannot be read as a job".to_owned())
        })?;
        Ok(Prepared {
            key_request: KeyRequest::of_job(&job),
            blocked: BlockedJob::of(&job),
            // The trace context in the message stays: only this copy gets another one.
            telemetry: EnqueueTelemetry::begin(&mut job),
            large_args: self.large_args,
            once: self.once,
            as_written: true,
            guessed: None,
            debounced: None,
            submission: self.submission,
            output: PhantomData,
        })
    }
}
