//! [`Blobs`]: the port that stores data which is too large for a message.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::names::{JobId, JobKey, NameError};

/// The largest blob: 64 MiB. Writers and readers hold all of it in memory.
pub const MAX_BLOB_BYTES: usize = 64 * 1024 * 1024;

/// The name and the size of a blob of a job. A record has it in place of a large result. Its text form
/// is `NAME/BYTES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    name: JobId,
    bytes: usize,
}

/// A text is not a valid blob reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid blob {0:?}: expected NAME/BYTES")]
pub struct BlobRefError(String);

impl BlobRef {
    /// A reference with a new random name, for a blob of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { name: JobId::random(), bytes }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Checks that the blob is not too large.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] for more than [`MAX_BLOB_BYTES`].
    pub fn check_size(&self) -> Result<(), TransportError> {
        let size = self.bytes;
        let max = MAX_BLOB_BYTES;
        if size > max { Err(TransportError::TooLarge { size, max }) } else { Ok(()) }
    }
}

impl fmt::Display for BlobRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.bytes)
    }
}

impl FromStr for BlobRef {
    type Err = BlobRefError;

    fn from_str(text: &str) -> Result<Self, BlobRefError> {
        let invalid = || BlobRefError(text.chars().take(80).collect());
        let (name, bytes) = text.split_once('/').ok_or_else(invalid)?;
        let name = JobId::new(name).map_err(|_: NameError| invalid())?;
        Ok(Self { name, bytes: bytes.parse().map_err(|_| invalid())? })
    }
}

/// Stores blobs. A blob cannot be removed: it vanishes after its `ttl`, so that a crash leaves nothing
/// behind.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores `data`, which must have the size of `blob`, for `ttl`, rounded up to whole seconds. Returns
    /// when the broker has stored all of it. It can be called again with the same data.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_reference_round_trips_as_text() {
        let blob = BlobRef::new(5_000_000);
        assert_eq!(blob.to_string().parse(), Ok(blob));
        for bad in ["", "a", "a/", "/1", "a/-1", "a/1/2", "a b/1", "a.b/1", "*/1"] {
            assert!(bad.parse::<BlobRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_limit_is_the_largest_size_that_is_accepted() {
        assert!(BlobRef::new(MAX_BLOB_BYTES).check_size().is_ok());
        let refused = BlobRef::new(MAX_BLOB_BYTES + 1).check_size();
        assert!(matches!(refused, Err(TransportError::TooLarge { .. })));
    }
}
