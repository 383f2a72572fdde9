//! [`KeyRequest`]: the unique key that a job wants, and the answer to it.

use naq_core::clock::Timestamp;
use naq_core::flow::{Unique, UniqueScope};
use naq_core::names::{JobKey, StateKey};
use naq_core::transport::Stored;
use naq_core::wire::{Envelope, Nonce, Step};

/// The unique key that a job wants to hold.
#[derive(Debug, Clone)]
pub(crate) struct KeyRequest {
    pub(super) key: StateKey,
    /// Where an older version kept the entry.
    pub(super) old_key: Option<StateKey>,
    pub(super) unique: Unique,
    pub(super) holder: JobKey,
    pub(super) life: Nonce,
}

/// The answer to a [`KeyRequest`].
#[derive(Debug)]
pub(crate) enum KeyAnswer {
    /// The key is taken for the job, under this revision of its entry. The job can be sent.
    Taken(u64),
    /// This job holds the key.
    HeldBy(JobKey),
}

/// The job that holds a key, as the entry of the key says.
#[derive(Debug)]
pub(crate) struct HeldKey {
    pub(crate) holder: JobKey,
    /// The revision of the entry.
    pub(crate) revision: u64,
    /// Since when the job holds the key, by the broker's clock.
    pub(crate) since: Timestamp,
}

impl KeyRequest {
    /// The request of this job; `None` when it has no unique key.
    pub(crate) fn of_job(job: &Envelope) -> Option<Self> {
        let unique = job.unique.clone()?;
        let holder = JobKey::new(job.queue.clone(), job.id.clone());
        let (key, old_key) = (unique.state_key(&job.queue)?, unique.old_state_key());
        Some(Self { key, old_key, unique, holder, life: job.nonce.clone() })
    }

    /// The request of a requeue of this letter. `None` also for a key that is held for a fixed
    /// time: that time started with the first enqueue.
    pub(crate) fn of_next_life(letter: &Stored, step: Option<Step>) -> Option<Self> {
        let job = letter.envelope().ok()?;
        let request = Self { life: step?.nonce, ..Self::of_job(&job)? };
        (!request.has_fixed_time()).then_some(request)
    }

    /// The key as the user wrote it.
    pub(crate) fn text(&self) -> &str {
        &self.unique.key
    }

    /// True if the key is held for a fixed time, and not until the job has started or ended.
    pub(super) fn has_fixed_time(&self) -> bool {
        matches!(self.unique.scope, UniqueScope::ForMillis(_))
    }
}
