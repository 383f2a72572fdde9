//! Messages that the broker moves to the job's queue when they are due.

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use naq_core::Timestamp;
use naq_core::transport::{JobKey, Place};

use crate::api::Api;

/// The broker's clock counts nanoseconds in 63 bits, which end in the year 2262. A later schedule
/// would run at once.
const LATEST: Timestamp = Timestamp::from_millis(9_223_372_036_854);

impl Api {
    /// Compares the clocks, unless that was done lately. Due times are sent in the broker's time.
    pub(crate) async fn compare_clocks(&self, key: &JobKey) {
        if self.offset.is_outdated(self.config.clock.now()) {
            let stream = self.subjects.queue_stream(&key.queue);
            if let Err(error) = self.stream_info(&stream).await {
                tracing::debug!(?error, "the broker's clock is not known");
                self.offset.measure_failed(self.config.clock.now());
            }
        }
    }

    /// Adds the headers that make the broker wait until `due_at`.
    pub(crate) fn put_due(&self, headers: &mut HeaderMap, key: &JobKey, due_at: Timestamp) {
        let at = self.offset.to_broker(due_at).min(LATEST);
        headers.insert(NATS_SCHEDULE, format!("@at {at}"));
        headers.insert(NATS_SCHEDULE_TARGET, self.subjects.job(Place::Queue, key));
    }

    /// When a stored schedule is due, by our clock.
    pub(crate) fn due_at(&self, headers: &HeaderMap) -> Option<Timestamp> {
        let at: Timestamp =
            headers.get(NATS_SCHEDULE)?.as_str().strip_prefix("@at ")?.parse().ok()?;
        Some(self.offset.to_ours(at))
    }
}
