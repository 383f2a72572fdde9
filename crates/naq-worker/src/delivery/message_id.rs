//! [`MessageId`]: which message a delivery is of.

use naq_core::Timestamp;
use naq_core::names::JobKey;
use naq_core::transport::Stored;
use naq_core::wire::Step;

/// Which message of a queue a delivery is of. Its sequence alone does not say so: a stream that was
/// removed and made again, or a broker that lost its newest messages, gives the same sequences to other
/// jobs, while the worker still runs the old ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MessageId {
    seq: u64,
    stored_at: Timestamp,
    job: JobKey,
    step: Step,
}

impl MessageId {
    pub(crate) fn of(stored: &Stored) -> Self {
        Self {
            seq: stored.seq,
            stored_at: stored.stored_at,
            job: stored.key.clone(),
            step: stored.step(),
        }
    }
}
