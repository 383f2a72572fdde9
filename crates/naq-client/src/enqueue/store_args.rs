//! Stores arguments that are too large for a message in a blob.

use bytes::Bytes;
use naq_core::names::JobKey;
use naq_core::transport::{MAX_BLOB_BYTES, Receipt, Submission, TransportError};
use naq_core::wire::{BlobRef, EncodeError, Envelope, MAX_ENVELOPE_BYTES};

use crate::Client;
use crate::enqueue::LargeArgs;
use crate::protect::read;

/// What a message needs besides the arguments: the other fields, and headers.
const ROOM: usize = 80 * 1024;

/// A job that is about to be published.
#[derive(Debug)]
pub(super) struct OutgoingMessage {
    pub(super) submission: Submission,
    /// The arguments, if the submission names a blob for them.
    pub(super) args: Option<(BlobRef, Bytes)>,
}

impl Client {
    /// Names a blob in the job, if its arguments do not fit into a message and the choice is to store such
    /// arguments.
    pub(super) fn use_blob(
        &self,
        job: &mut Envelope,
        choice: LargeArgs,
    ) -> Result<(), EncodeError> {
        let size = job.args.bytes().len();
        // Encryption writes three bytes as four letters. The client that sends a prepared job may encrypt it.
        let may_encrypt = self.key_ring.is_some() || self.only_prepares;
        let written = if may_encrypt { size.div_ceil(3) * 4 + 256 } else { size };
        let max = MAX_ENVELOPE_BYTES.min(self.transport.max_payload()).saturating_sub(ROOM);
        if choice == LargeArgs::Refuse || written <= max {
            return Ok(());
        }
        if size > MAX_BLOB_BYTES {
            return Err(EncodeError::TooLarge { size, max: MAX_BLOB_BYTES });
        }
        job.args_blob = Some(BlobRef::new(size));
        Ok(())
    }

    /// Whether this client has to store the arguments of the job elsewhere, because the broker takes less in a
    /// message than the client that prepared the job knew.
    pub(super) fn must_move_args(&self, submission: &Submission) -> bool {
        self.large_args == LargeArgs::Store
            && submission.message.size() > self.transport.max_payload()
    }

    /// The job, encrypted and signed, and its arguments if they go to a blob.
    pub(super) fn outgoing(&self, submission: Submission, args: Option<Bytes>) -> OutgoingMessage {
        let blob = || read(&submission).and_then(|job| job.args_blob);
        if let Some(args) = args.and_then(|args| Some((blob()?, args))) {
            return OutgoingMessage { submission, args: Some(args) };
        }
        let moved =
            self.must_move_args(&submission).then(|| self.moved_args(&submission)).flatten();
        match moved {
            Some(moved) => {
                let submission = Submission { message: moved.message, ..submission };
                OutgoingMessage { submission, args: Some((moved.blob, moved.args)) }
            }
            None => OutgoingMessage { submission, args: None },
        }
    }

    /// Stores the job. If it has large arguments, they are stored first. If this client dies in between, a worker
    /// removes them after a day.
    pub(super) async fn publish(&self, job: OutgoingMessage) -> Result<Receipt, TransportError> {
        let OutgoingMessage { submission, args } = job;
        match args {
            None => self.transport.publish(submission).await,
            Some((blob, args)) => Box::pin(self.publish_with_args(submission, blob, args)).await,
        }
    }

    async fn publish_with_args(
        &self,
        submission: Submission,
        blob: BlobRef,
        args: Bytes,
    ) -> Result<Receipt, TransportError> {
        let key = submission.key.clone();
        if submission.unique {
            // So that no arguments are stored for a job that is stored already.
            let stored = self.transport.locate(&key).await?;
            if stored.iter().any(|it| submission.is_refused_by(it)) {
                return Ok(Receipt::Duplicate);
            }
        }
        let answer = self.transport.publish_with_args(submission, &blob, args).await;
        if self.is_left_over(&key, &blob, &answer).await {
            // Best effort: a worker removes it after a day.
            let _ = self.transport.blob_remove(&key, &blob).await;
        }
        answer
    }

    /// Whether it is certain that the job that names this blob is not stored.
    async fn is_left_over(
        &self,
        key: &JobKey,
        blob: &BlobRef,
        answer: &Result<Receipt, TransportError>,
    ) -> bool {
        match answer {
            Ok(Receipt::Stored(_)) => false,
            // The job that is stored may be this one, by a request whose answer was lost. Then it may be in
            // no place for a moment.
            Ok(Receipt::Duplicate) => match self.transport.locate(key).await {
                Ok(found) => !found.is_empty() && !found.iter().any(|it| it.names_blob(blob)),
                Err(_) => false,
            },
            // Neither is stored.
            Err(TransportError::QueueFull { .. } | TransportError::Permission { .. }) => false,
            Err(error) => !error.is_transient(),
        }
    }
}
