//! [`Purges`]: when a queue and its jobs were purged.

use std::collections::HashMap;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::JobId;

/// How long the purge of one job is remembered, as at NATS.
const REMEMBERED: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub(crate) struct Purges {
    queue: Option<Timestamp>,
    jobs: HashMap<JobId, Timestamp>,
}

impl Purges {
    pub(crate) fn note_queue(&mut self, now: Timestamp) {
        self.queue = Some(now);
    }

    pub(crate) fn note_job(&mut self, id: JobId, now: Timestamp) {
        self.jobs.retain(|_, at| now.since(*at) < REMEMBERED);
        self.jobs.insert(id, now);
    }

    /// When the whole queue was last purged.
    pub(crate) fn of_queue(&self) -> Option<Timestamp> {
        self.queue
    }

    /// When this job was last purged, by itself or with the queue.
    pub(crate) fn of(&self, id: &JobId) -> Option<Timestamp> {
        self.queue.max(self.jobs.get(id).copied())
    }
}
