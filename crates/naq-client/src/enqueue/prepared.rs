//! [`Prepared`]: a job that is checked and written, and not sent yet.

use std::marker::PhantomData;

use bytes::Bytes;
use naq_core::flow::Debounce;
use naq_core::names::{JobId, JobKey};
use naq_core::transport::Submission;
use naq_core::wire::Envelope;

use crate::depends::BlockedJob;
use crate::enqueue::debounced_job::DebouncedJob;
use crate::enqueue::job_times::JobTimes;
use crate::enqueue::telemetry::EnqueueTelemetry;
use crate::unique::KeyRequest;
use crate::{Client, EnqueueError};

/// A job that is ready to be sent, alone or with others by
/// [`Client::enqueue_many`](crate::Client::enqueue_many).
#[derive(Debug)]
pub struct Prepared<O> {
    pub(super) submission: Submission,
    /// The arguments, if the submission names a blob for them.
    pub(super) large_args: Option<Bytes>,
    pub(super) key_request: Option<KeyRequest>,
    pub(super) once: bool,
    /// Another client made and signed the job.
    pub(super) as_written: bool,
    pub(super) blocked: Option<Box<BlockedJob>>,
    pub(super) telemetry: EnqueueTelemetry,
    pub(super) guessed: Option<Box<GuessedTimes>>,
    pub(super) debounced: Option<Box<DebouncedJob>>,
    pub(super) output: PhantomData<fn() -> O>,
}

/// The times of a job that was written before the broker's clock was known.
#[derive(Debug)]
pub(super) struct GuessedTimes {
    job: Envelope,
    times: JobTimes,
}

impl<O> Prepared<O> {
    /// `unique`: the broker refuses the job if it holds one of the same id. Set where the id was
    /// chosen, and not random.
    pub(crate) fn new(job: Envelope, unique: bool) -> Result<Self, EnqueueError> {
        Self::with_guessed_times(job, unique, None)
    }

    /// `times` if they were written into the job before the broker's clock was known. They are
    /// written again when the job is sent.
    pub(super) fn with_guessed_times(
        mut job: Envelope,
        unique: bool,
        times: Option<JobTimes>,
    ) -> Result<Self, EnqueueError> {
        let telemetry = EnqueueTelemetry::begin(&mut job);
        let guessed = times.map(|times| Box::new(GuessedTimes { job: job.clone(), times }));
        Ok(Self {
            telemetry,
            large_args: job.args_blob.is_some().then(|| job.args.bytes().clone()),
            key_request: KeyRequest::of_job(&job),
            once: false,
            as_written: false,
            blocked: BlockedJob::of(&job),
            guessed,
            debounced: None,
            submission: submission(job, unique)?,
            output: PhantomData,
        })
    }

    /// A debounced job. It is written again when it is sent.
    pub(super) fn debounced(
        mut job: Envelope,
        times: JobTimes,
        debounce: Debounce,
    ) -> Result<Self, EnqueueError> {
        let telemetry = EnqueueTelemetry::begin(&mut job);
        let debounced = Box::new(DebouncedJob { job: job.clone(), times, debounce });
        let plain = Self {
            telemetry,
            key_request: KeyRequest::of_job(&job),
            once: false,
            as_written: false,
            blocked: None,
            guessed: None,
            large_args: None,
            debounced: Some(debounced),
            submission: submission(job, false)?,
            output: PhantomData,
        };
        Ok(plain)
    }

    /// The client that sends this did not make it, and does not sign it: the run of a schedule has the
    /// signature of the schedule, or none.
    #[cfg(feature = "schedules")]
    pub(crate) fn sent_as_written(self) -> Self {
        Self { as_written: true, ..self }
    }

    /// Signs the job with the key of the client that sends it.
    pub(super) fn protect(&mut self, client: &Client) -> Result<(), EnqueueError> {
        if !self.as_written {
            self.submission = client.protect(self.submission.clone())?;
        }
        Ok(())
    }

    /// Writes the times of the job by the broker's clock, if that clock was not known before.
    pub(super) async fn correct_times(&mut self, client: &Client) -> Result<(), EnqueueError> {
        let Some(guessed) = self.guessed.take() else { return Ok(()) };
        let GuessedTimes { mut job, times } = *guessed;
        client.transport.compare_clocks(&job.queue).await;
        times.rewrite(&mut job, client.now());
        self.blocked = BlockedJob::of(&job);
        self.submission = submission(job, self.submission.unique)?;
        Ok(())
    }

    /// True if sending the job takes more than one publish.
    pub(super) fn needs_more_requests(&self, client: &Client) -> bool {
        let has_large_args = self.large_args.is_some() || client.must_move_args(&self.submission);
        self.key_request.is_some() || self.blocked.is_some() || self.once || has_large_args
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.submission.key.id
    }
}

pub(super) fn submission(job: Envelope, unique: bool) -> Result<Submission, EnqueueError> {
    Ok(Submission {
        dedup: job.id.to_string(),
        due_at: job.due_at.or_else(|| job.first_check()),
        unique,
        message: job.to_message()?,
        key: JobKey::new(job.queue, job.id),
    })
}
