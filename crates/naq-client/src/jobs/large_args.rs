//! Large arguments, which are stored in a blob beside the messages of their job.

use naq_core::names::JobKey;
use naq_core::transport::{ArgsMoved, NO_TTL, Place, Stored, Submission, TransportError};
use naq_core::wire::{BlobRef, Envelope, FinalRecord, Nonce, Payload, WireMessage};

use crate::{Client, JobReport};

impl Client {
    /// Reads the arguments of a job that only names their blob. If the blob is not stored any more, they
    /// stay null.
    pub(crate) async fn add_large_args(
        &self,
        report: &mut JobReport,
    ) -> Result<(), TransportError> {
        let Some(job) = &mut report.envelope else { return Ok(()) };
        let Some(blob) = &job.args_blob else { return Ok(()) };
        if let Some(data) = self.transport.blob_get(&report.key, blob).await? {
            job.args = Payload::read(job.codec, data).unwrap_or(Payload::null(job.codec));
        }
        Ok(())
    }

    /// Removes the arguments of an ended life of a job from their blob, unless another message of the job names
    /// that blob: the dead letter of an earlier life, or a life that a requeue has begun. Does nothing for a
    /// job whose arguments are in its message.
    ///
    /// # Errors
    /// [`TransportError`]. The blob then stays until a worker finds that no job needs it.
    pub async fn remove_args(&self, key: &JobKey, ended: &Envelope) -> Result<(), TransportError> {
        let Some(blob) = &ended.args_blob else { return Ok(()) };
        let messages = self.transport.locate(key).await?;
        if messages.iter().any(|other| needs(other, blob, &ended.nonce)) {
            return Ok(());
        }
        self.transport.blob_remove(key, blob).await
    }

    /// The same submission with its arguments in a blob, if it does not fit into a message of the broker with
    /// them. The blob is stored when this returns.
    pub(crate) async fn fit_args(
        &self,
        submission: Submission,
    ) -> Result<Submission, TransportError> {
        let size = submission.message.size();
        if size <= self.transport.max_payload() {
            return Ok(submission);
        }
        let Some(moved) = self.moved_args(&submission) else { return Ok(submission) };
        self.transport.blob_put(&submission.key, &moved.blob, moved.args, NO_TTL).await?;
        Ok(Submission { message: moved.message, ..submission })
    }

    /// The message of the submission with its arguments in a new blob, and those arguments. None if it has
    /// none, or has them in a blob already.
    pub(crate) fn moved_args(&self, submission: &Submission) -> Option<ArgsMoved> {
        stored(&submission.key, &submission.message).with_args_in(BlobRef::new)
    }

    /// Leaves out of a record what is known elsewhere, if it does not fit into a message of the broker.
    pub(crate) fn fit_record(&self, record: &mut FinalRecord) {
        let max = self.transport.max_payload();
        let fits = |record: &FinalRecord| record.to_message().is_ok_and(|it| it.size() <= max);
        if !fits(record) {
            record.envelope.leave_out_args();
        }
        if !fits(record) {
            record.envelope.history.clear();
        }
    }
}

/// Whether this message needs the blob. A message of the ended life itself is a leftover in its queue.
fn needs(message: &Stored, blob: &BlobRef, ended: &Nonce) -> bool {
    let is_leftover = message.place == Place::Queue && message.step().nonce == *ended;
    message.place != Place::Record && !is_leftover && message.names_blob(blob)
}

fn stored(key: &JobKey, message: &WireMessage) -> Stored {
    Stored {
        key: key.clone(),
        place: Place::Queue,
        seq: 0,
        stored_at: Default::default(),
        due_at: None,
        delivered: false,
        message: message.clone(),
    }
}
