//! What is too large for a message: kept beside the job's record, for a time.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::TransportError;
use crate::names::{JobId, JobKey, NameError};

/// The largest blob: 64 MiB. It is held in memory as a whole by whoever writes or reads it.
pub const MAX_BLOB_BYTES: usize = 64 * 1024 * 1024;

/// A name for a blob of a job, and its size: what a record says of a result that is kept elsewhere.
/// As text `NAME/BYTES`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobRef {
    name: JobId,
    bytes: usize,
}

/// A text that names no blob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid blob {0:?}: expected NAME/BYTES")]
pub struct BlobRefError(String);

impl BlobRef {
    /// A name that nobody else has, for so many bytes.
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

    /// Whether a transport keeps as much.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] for more than [`MAX_BLOB_BYTES`].
    pub fn check_size(&self) -> Result<(), TransportError> {
        let (size, max) = (self.bytes, MAX_BLOB_BYTES);
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
        let wrong = || BlobRefError(text.chars().take(80).collect());
        let (name, bytes) = text.split_once('/').ok_or_else(wrong)?;
        let name = JobId::new(name).map_err(|_: NameError| wrong())?;
        Ok(Self { name, bytes: bytes.parse().map_err(|_| wrong())? })
    }
}

/// Keeps blobs. There is no way to remove one: it vanishes after its time, so that a crash leaves
/// nothing for ever.
#[async_trait]
pub trait Blobs: Send + Sync + 'static {
    /// Stores `data`, which has the size that `blob` says, for `ttl` (rounded up to whole seconds).
    /// Returns once the broker has all of it; stored again it is the same.
    ///
    /// # Errors
    /// [`TransportError::TooLarge`] for more than [`MAX_BLOB_BYTES`]; [`TransportError`].
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError>;

    /// What was stored; none when it is gone, or was never there as a whole.
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
    fn a_blob_round_trips_as_text_and_nothing_else_is_one() {
        let blob = BlobRef::new(5_000_000);
        assert_eq!(blob.to_string().parse(), Ok(blob));
        for bad in ["", "a", "a/", "/1", "a/-1", "a/1/2", "a b/1", "a.b/1", "*/1"] {
            assert!(bad.parse::<BlobRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_limit_is_the_last_size_that_is_kept() {
        assert!(BlobRef::new(MAX_BLOB_BYTES).check_size().is_ok());
        let refused = BlobRef::new(MAX_BLOB_BYTES + 1).check_size();
        assert!(matches!(refused, Err(TransportError::TooLarge { .. })));
    }
}
