//! [`LargeResults`]: what a worker does with results that are larger than a message may be.

use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{AWAITED_RECORD_TTL, BlobRef, Fact, Place, Stored};
use naq_core::wire::headers;

/// What happens to a result that is larger than the broker takes in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LargeResults {
    /// The job is dead, with an error of kind `ResultTooLarge`.
    #[default]
    Refuse,
    /// The result is stored beside the job's record, up to
    /// [`MAX_BLOB_BYTES`](naq_core::transport::MAX_BLOB_BYTES), and read from there. It is stored
    /// as long as the record, and for at least a day: a job that depends on this one may read it
    /// late.
    Store,
}

/// A blob outlives its record by this much, since the record is written after it.
const BLOB_MARGIN: Duration = Duration::from_secs(60);

/// A result in a blob, and the record that says where it is.
#[derive(Debug)]
pub(crate) struct LargeResult {
    pub(crate) blob: BlobRef,
    pub(crate) data: Bytes,
    pub(crate) ttl: Duration,
    pub(crate) record: Fact,
}

impl LargeResult {
    /// Takes the result out of a record that is too large. None for a record without a result.
    pub(crate) fn of(fact: &Fact, stored: &Stored) -> Option<Self> {
        let message = fact.message.clone();
        let written = Stored { place: Place::Record, message, ..stored.clone() };
        let mut record = written.record().ok()?;
        let data = record.result.take()?.bytes().clone();
        let blob = BlobRef::new(data.len());
        let ttl = record.envelope.record_ttl.max(AWAITED_RECORD_TTL).saturating_add(BLOB_MARGIN);
        let mut fact = Fact::record(stored, &record).ok()??;
        fact.message = fact.message.with(headers::RESULT, blob.to_string());
        Some(Self { blob, data, ttl, record: fact })
    }
}
