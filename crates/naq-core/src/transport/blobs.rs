//! [`Blobs`]: the port that stores data which is too large for a message.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::clock::Timestamp;
use crate::names::{JobKey, QueueName};
use crate::wire::BlobRef;

/// The largest blob: 64 MiB. Writers and readers hold all of it in memory.
pub const MAX_BLOB_BYTES: usize = 64 * 1024 * 1024;

impl BlobRef {
    /// Checks that the blob is not too large.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] for more than [`MAX_BLOB_BYTES`].
    pub fn check_size(&self) -> Result<(), TransportError> {
        let size = self.bytes();
        let max = MAX_BLOB_BYTES;
        if size > max { Err(TransportError::TooLarge { size, max }) } else { Ok(()) }
    }
}

/// The `ttl` of a blob that is kept until it is removed.
pub const NO_TTL: Duration = Duration::MAX;

/// A blob that is kept until it is removed, and the job whose arguments it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptBlob {
    /// The job.
    pub job: JobKey,
    /// The name and the size of the blob.
    pub blob: BlobRef,
}

/// Stores blobs. A blob with a `ttl` vanishes after that time, so that a crash leaves nothing behind. One with
/// [`NO_TTL`] is kept until it is removed.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores `data`, which must have the size of `blob`, for `ttl`, rounded up to whole seconds, or without
    /// end for [`NO_TTL`]. Returns when the broker has stored all of it. It can be called again with the same data.
    ///
    /// # Errors
    /// [`TransportError`], such as [`TransportError::TooLarge`] for more than [`MAX_BLOB_BYTES`].
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError>;

    /// The data of the blob. `None` if it has vanished or was not stored completely.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn blob_get(&self, job: &JobKey, blob: &BlobRef)
    -> Result<Option<Bytes>, TransportError>;

    /// Removes the blob, as far as it is stored. A reader finds it no more once this returns; the broker may
    /// need some seconds to free its space. It can be called again.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn blob_remove(&self, job: &JobKey, blob: &BlobRef) -> Result<(), TransportError>;

    /// The blobs of a queue that are kept until they are removed, in no order. It lists a blob as soon as its
    /// writer begins, so that a blob whose writer died is found, and for a second or two after it was removed.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn blobs_kept(&self, queue: &QueueName) -> Result<Vec<KeptBlob>, TransportError>;

    /// When the writer of a kept blob began to store it, by the broker's clock. `None` if it was removed.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn blob_stored_at(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Timestamp>, TransportError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_largest_size_that_is_accepted() {
        assert!(BlobRef::new(MAX_BLOB_BYTES).check_size().is_ok());
        let refused = BlobRef::new(MAX_BLOB_BYTES + 1).check_size();
        assert!(matches!(refused, Err(TransportError::TooLarge { .. })));
    }
}
