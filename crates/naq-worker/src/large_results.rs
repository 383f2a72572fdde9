//! Results that are larger than a message may be.

use std::time::Duration;

use bytes::Bytes;
use naq_core::transport::{AWAITED_RECORD_TTL, BlobRef, Fact, Place, Stored};
use naq_core::wire::headers;

/// What becomes of a result that is larger than the broker takes in one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LargeResults {
    /// The job dies with an error of kind `ResultTooLarge`.
    #[default]
    Refuse,
    /// It is kept beside the job's record, up to
    /// [`MAX_BLOB_BYTES`](naq_core::transport::MAX_BLOB_BYTES), and found there by whoever asks for
    /// it. For as long as the record, and for a day at least: a job that depends on this one may
    /// read it late.
    Store,
}

/// It is kept for so much longer than its record, which is written after it.
const MARGIN: Duration = Duration::from_secs(60);

/// A result on its own, and the record that says where it is.
#[derive(Debug)]
pub(crate) struct LargeResult {
    pub(crate) blob: BlobRef,
    pub(crate) data: Bytes,
    pub(crate) ttl: Duration,
    pub(crate) record: Fact,
}

impl LargeResult {
    /// Taken out of the record that was too large with it. None when there is none in it.
    pub(crate) fn of(fact: &Fact, stored: &Stored) -> Option<Self> {
        let message = fact.message.clone();
        let written = Stored { place: Place::Record, message, ..stored.clone() };
        let mut record = written.record().ok()?;
        let data = record.result.take()?.bytes().clone();
        let blob = BlobRef::new(data.len());
        let ttl = record.envelope.record_ttl.max(AWAITED_RECORD_TTL).saturating_add(MARGIN);
        let mut fact = Fact::record(stored, &record).ok()??;
        fact.message = fact.message.with(headers::RESULT, blob.to_string());
        Some(Self { blob, data, ttl, record: fact })
    }
}
