//! Messages that the broker moves to the job's queue when they are due.

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use naq_core::transport::{JobKey, Place};
use naq_core::{QueueName, Timestamp};

use crate::api::Api;

/// The broker's clock counts nanoseconds in 63 bits, which end in the year 2262. A later schedule
/// would run at once.
const LATEST: Timestamp = Timestamp::from_millis(9_223_372_036_854);

impl Api {
    /// The time by the broker's clock, as far as it is known.
    pub(crate) fn now(&self) -> Timestamp {
        let ours = self.config.clock.now();
        self.offset.broker_now(ours).unwrap_or(ours)
    }

    /// Compares the clocks, unless that was done lately. The queue is created if it is missing:
    /// without any stream the broker does not say its time.
    pub(crate) async fn compare_clocks(&self, queue: &QueueName) {
        if !self.offset.is_outdated(self.config.clock.now()) {
            return;
        }
        let stream = self.subjects.queue_stream(queue);
        let mut compared = self.stream_info(&stream).await.map(|info| info.is_some());
        if matches!(compared, Ok(false)) && self.ensure_queue(queue).await.is_ok() {
            compared = self.stream_info(&stream).await.map(|info| info.is_some());
        }
        if !matches!(compared, Ok(true)) {
            tracing::debug!(?compared, "the broker's clock is not known");
            self.offset.measure_failed(self.config.clock.now());
        }
    }

    /// Adds the headers that make the broker wait until `due_at`.
    pub(crate) fn put_due(&self, headers: &mut HeaderMap, key: &JobKey, due_at: Timestamp) {
        let at = due_at.min(LATEST);
        headers.insert(NATS_SCHEDULE, format!("@at {at}"));
        headers.insert(NATS_SCHEDULE_TARGET, self.subjects.job(Place::Queue, key));
    }

    /// When a stored schedule is due.
    pub(crate) fn due_at(headers: &HeaderMap) -> Option<Timestamp> {
        headers.get(NATS_SCHEDULE)?.as_str().strip_prefix("@at ")?.parse().ok()
    }
}
