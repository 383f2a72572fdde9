//! Signs a job just before it is sent.

use naq_core::clock::Timestamp;
use naq_core::transport::{Place, Stored, Submission};
use naq_core::wire::Envelope;

use crate::{Client, EnqueueError};

impl Client {
    /// The same job, signed with this client's key, if it has one. Call this once for each job that this
    /// client makes, when nothing else of the job will change.
    ///
    /// # Errors
    /// [`EnqueueError::Encode`] if the job is too large with its signature.
    pub fn protect(&self, mut submission: Submission) -> Result<Submission, EnqueueError> {
        let Some(key) = &self.signing_key else { return Ok(submission) };
        let Some(mut job) = read(&submission) else { return Ok(submission) };
        key.sign(&mut job)?;
        submission.message = job.to_message()?;
        Ok(submission)
    }
}

/// The job of a submission. None for a body that is not a job, which only another program can write.
fn read(submission: &Submission) -> Option<Envelope> {
    let stored = Stored {
        key: submission.key.clone(),
        place: Place::Queue,
        seq: 0,
        stored_at: Timestamp::default(),
        due_at: None,
        delivered: false,
        message: submission.message.clone(),
    };
    stored.envelope().ok()
}
