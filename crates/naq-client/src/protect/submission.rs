//! Compresses, encrypts and signs a job just before it is sent.

use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::compress::Compression;
use naq_core::seal::SealKind;
use naq_core::transport::{Place, Stored, Submission};
use naq_core::wire::{BlobRef, EncodeError, Envelope, Payload};

use crate::{Client, EnqueueError};

impl Client {
    /// The same job with its arguments compressed, encrypted, and then signed, as this client does it. Call
    /// this once for each job that this client makes, when nothing else of the job will change.
    ///
    /// # Errors
    /// [`EnqueueError::Encode`] if the job is then too large.
    pub fn protect(&self, submission: Submission) -> Result<Submission, EnqueueError> {
        Ok(self.protect_with_args(submission, None)?.0)
    }

    /// Like [`protect`](Self::protect). `args` are the arguments of a job that names a blob for them; the answer
    /// has them as the blob must hold them.
    pub(crate) fn protect_with_args(
        &self,
        mut submission: Submission,
        args: Option<Bytes>,
    ) -> Result<(Submission, Option<Bytes>), EnqueueError> {
        let has_keys = self.signing_key.is_some() || self.key_ring.is_some();
        if !has_keys && self.compression == Compression::None {
            return Ok((submission, args));
        }
        let Some(mut job) = read(&submission) else { return Ok((submission, args)) };
        if let Some(args) = &args {
            job.args = Payload::from_raw(job.codec, args.clone());
        }
        job.args = self.compression.apply(&job.args)?;
        if let Some(ring) = self.key_ring.as_ref().filter(|_| job.args.encrypted_with().is_none()) {
            let sealed = ring.seal_of_job(&job, SealKind::Args, &job.args);
            job.args = sealed.map_err(EncodeError::from)?;
        }
        if let Some(key) = &self.signing_key {
            key.sign(&mut job)?;
        }
        let args = args.map(|_| job.args.bytes().clone());
        if let Some(args) = &args {
            job.args_blob = Some(BlobRef::new(args.len()));
        }
        submission.message = job.to_message()?;
        Ok((submission, args))
    }
}

/// The job of a submission. None for a body that is not a job, which only another program can write.
pub(crate) fn read(submission: &Submission) -> Option<Envelope> {
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
