//! Encrypts and signs a job just before it is sent.

use naq_core::clock::Timestamp;
use naq_core::seal::SealKind;
use naq_core::transport::{Place, Stored, Submission};
use naq_core::wire::{EncodeError, Envelope};

use crate::{Client, EnqueueError};

impl Client {
    /// The same job with its arguments encrypted, and then signed, with the keys that this client has. Call
    /// this once for each job that this client makes, when nothing else of the job will change.
    ///
    /// # Errors
    /// [`EnqueueError::Encode`] if the job is then too large.
    pub fn protect(&self, mut submission: Submission) -> Result<Submission, EnqueueError> {
        if self.signing_key.is_none() && self.key_ring.is_none() {
            return Ok(submission);
        }
        let Some(mut job) = read(&submission) else { return Ok(submission) };
        if let Some(ring) = self.key_ring.as_ref().filter(|_| job.args.encrypted_with().is_none()) {
            let sealed = ring.seal_of_job(&job, SealKind::Args, &job.args);
            job.args = sealed.map_err(EncodeError::from)?;
        }
        if let Some(key) = &self.signing_key {
            key.sign(&mut job)?;
        }
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
