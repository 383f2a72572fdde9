//! [`Prepared`]: a job that is checked and written, and not sent yet.

use std::marker::PhantomData;

use naq_core::names::{JobId, JobKey};
use naq_core::transport::Submission;
use naq_core::wire::Envelope;

use crate::EnqueueError;
use crate::depends::BlockedJob;
use crate::enqueue::telemetry::EnqueueTelemetry;
use crate::unique::KeyRequest;

/// A job that is ready to be sent, alone or with others by
/// [`Client::enqueue_many`](crate::Client::enqueue_many).
#[derive(Debug)]
pub struct Prepared<O> {
    pub(super) submission: Submission,
    pub(super) key_request: Option<KeyRequest>,
    pub(super) once: bool,
    pub(super) blocked: Option<Box<BlockedJob>>,
    pub(super) telemetry: EnqueueTelemetry,
    pub(super) output: PhantomData<fn() -> O>,
}

impl<O> Prepared<O> {
    /// `unique`: the broker refuses the job if it holds one of the same id. Set where the id was
    /// chosen, and not random.
    pub(crate) fn new(mut job: Envelope, unique: bool) -> Result<Self, EnqueueError> {
        let telemetry = EnqueueTelemetry::begin(&mut job);
        Ok(Self {
            telemetry,
            key_request: KeyRequest::of_job(&job),
            once: false,
            blocked: BlockedJob::of(&job),
            submission: Submission {
                dedup: job.id.to_string(),
                due_at: job.due_at.or_else(|| job.first_check()),
                unique,
                message: job.to_message()?,
                key: JobKey::new(job.queue, job.id),
            },
            output: PhantomData,
        })
    }

    /// True if sending the job takes more than one publish.
    pub(super) fn needs_more_requests(&self) -> bool {
        self.key_request.is_some() || self.blocked.is_some() || self.once
    }

    /// The job's id.
    pub fn id(&self) -> &JobId {
        &self.submission.key.id
    }
}
