//! [`Batches`]: those of the last days, as they were seen last.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use naq_client::{BATCH_TTL, Batch};
use naq_core::Timestamp;

/// So many are kept; of more the oldest go.
const KEPT: usize = 100;

/// Shared: what one request learns of a batch, all pages show.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batches(Arc<RwLock<Vec<Arc<Batch>>>>);

impl Batches {
    /// Takes these over, but for what is known better.
    pub(crate) fn learn(&self, batches: impl IntoIterator<Item = Batch>, now: Timestamp) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for batch in batches {
            match known.iter_mut().find(|other| other.id == batch.id) {
                Some(other) if other.updated_at > batch.updated_at => {}
                Some(other) => *other = Arc::new(batch),
                None => known.push(Arc::new(batch)),
            }
        }
        known.retain(|batch| now.since(batch.updated_at) < BATCH_TTL);
        known.sort_by(|a, b| b.id.cmp(&a.id));
        known.truncate(KEPT);
    }

    /// The newest first.
    pub(crate) fn newest(&self) -> Vec<Arc<Batch>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether something may be going on.
    pub(super) fn is_moving(&self, now: Timestamp) -> bool {
        let moving = |batch: &Arc<Batch>| now.since(batch.updated_at) < Duration::from_secs(20);
        self.newest().iter().any(moving)
    }
}
