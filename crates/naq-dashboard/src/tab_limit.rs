//! [`TabLimit`]: how many tabs may have a live stream.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A permit for each open tab.
#[derive(Debug)]
pub(crate) struct TabLimit(Arc<Semaphore>);

impl TabLimit {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }

    /// A permit to hold while the tab is open; none when too many tabs are open.
    pub(crate) fn open(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}
