//! The key of a job that wants to start.

use naq_core::Envelope;
use naq_core::transport::JobKey;

/// Queue and id of the job.
pub(super) fn job_key(job: &Envelope) -> JobKey {
    JobKey::new(job.queue.clone(), job.id.clone())
}
