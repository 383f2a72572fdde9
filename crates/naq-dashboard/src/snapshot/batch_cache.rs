//! [`BatchCache`]: the batches of the last days.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use naq_client::{BATCH_TTL, Batch};
use naq_core::Timestamp;
use naq_core::sync;

/// How many batches the cache holds; it drops the oldest.
const MAX_BATCHES: usize = 100;
/// A batch that was updated less than this ago may still be running.
const RECENTLY: Duration = Duration::from_secs(20);

/// Shared by all snapshots: what one request finds out about a batch shows on all pages.
#[derive(Debug, Clone, Default)]
pub(crate) struct BatchCache(Arc<RwLock<Vec<Arc<Batch>>>>);

impl BatchCache {
    /// Takes these batches over, except those that are older than what the cache has.
    pub(crate) fn update(&self, batches: impl IntoIterator<Item = Batch>, now: Timestamp) {
        let mut known = sync::write(&self.0);
        for batch in batches {
            match known.iter_mut().find(|other| other.id == batch.id) {
                Some(other) if other.updated_at > batch.updated_at => {}
                Some(other) => *other = Arc::new(batch),
                None => known.push(Arc::new(batch)),
            }
        }
        known.retain(|batch| now.since(batch.updated_at) < BATCH_TTL);
        known.sort_by(|a, b| b.id.cmp(&a.id));
        known.truncate(MAX_BATCHES);
    }

    /// All batches, newest first.
    pub(crate) fn newest(&self) -> Vec<Arc<Batch>> {
        sync::read(&self.0).clone()
    }

    /// Whether a batch may still be running.
    pub(super) fn is_active(&self, now: Timestamp) -> bool {
        self.newest().iter().any(|batch| now.since(batch.updated_at) < RECENTLY)
    }
}
