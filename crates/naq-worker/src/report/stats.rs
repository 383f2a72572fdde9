//! [`Stats`]: the statistics of a worker that are not written yet.

use std::sync::{Mutex, MutexGuard};

use naq_core::Timestamp;
use naq_core::stats::{Observation, Tally};
use naq_core::sync::lock;
use tokio::sync::Notify;

/// The statistics of a worker that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    tally: Mutex<Tally>,
    changed: Notify,
}

impl Stats {
    pub(crate) fn record(&self, observation: &Observation<'_>, now: Timestamp) {
        self.tally().record(observation, now);
        self.changed.notify_one();
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.tally)
    }

    /// Returns once there is something to write.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// A write failed, so the statistics must be written again.
    pub(crate) fn keep_changed(&self) {
        self.changed.notify_one();
    }
}
