//! The state-store key of a job's saved data.

use naq_core::names::{JobKey, StateKey};
use naq_core::wire::{Envelope, Nonce};

pub(super) fn saved_key(kind: &str, job: &Envelope) -> StateKey {
    let key = JobKey::new(job.queue.clone(), job.id.clone());
    saved_key_of(kind, &key, job.origin())
}

/// The key contains the job's first life, so that a requeue finds the data again, and another job of
/// the same id does not.
pub(super) fn saved_key_of(kind: &str, job: &JobKey, origin: &Nonce) -> StateKey {
    StateKey::new([kind, job.queue.as_str(), job.id.as_str(), origin.as_str()])
        .unwrap_or_else(|err| unreachable!("names are valid tokens, and short: {err}"))
}
