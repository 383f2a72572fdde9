//! A message that the broker moves to the job's queue when it is due.

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use naq_core::Timestamp;
use naq_core::transport::{JobKey, Place};

use crate::api::Api;

/// In the year 2262 the broker's clock, nanoseconds in 63 bits, is at its end. A schedule beyond it
/// would fire at once.
const LATEST: Timestamp = Timestamp::from_millis(9_223_372_036_854);

impl Api {
    /// Compares the clocks, if that was not done lately: a due time is sent in the broker's.
    pub(crate) async fn compare_clocks(&self, key: &JobKey) {
        if self.offset.is_old(self.config.clock.now()) {
            let stream = self.subjects.queue_stream(&key.queue);
            if let Err(error) = self.stream_info(&stream).await {
                tracing::debug!(?error, "the broker's clock is not known");
                self.offset.not_now(self.config.clock.now());
            }
        }
    }

    /// Adds what makes the broker wait until `due_at`.
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
