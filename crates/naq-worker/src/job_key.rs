//! The key of a job.

use naq_core::Envelope;
use naq_core::transport::JobKey;

/// Queue and id of the job.
pub(crate) fn job_key(job: &Envelope) -> JobKey {
    JobKey { queue: job.queue.clone(), id: job.id.clone() }
}
