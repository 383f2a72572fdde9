//! Messages that the broker moves to the job's queue when they are due.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{HeaderValue, NATS_SCHEDULE, NATS_SCHEDULE_TARGET};
use naq_core::transport::{JobKey, Place};
use naq_core::wire::headers;
use naq_core::{QueueName, Timestamp};

use crate::api::Api;
use crate::early::AHEAD;
use crate::subjects::Subjects;

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

    /// Adds the headers that make the job wait until `due_at`: at the broker until nearly then, and in the
    /// worker for the rest.
    pub(crate) fn put_due(&self, out: &mut HeaderMap, key: &JobKey, due_at: Timestamp) {
        put_due(out, &self.subjects, key, due_at, self.ahead(&key.queue));
    }

    /// Whether the broker's timer cannot move a job that is due then ahead of its time.
    pub(crate) fn is_due_within_a_tick(&self, queue: &QueueName, due_at: Timestamp) -> bool {
        due_at < self.now() + self.ahead(queue)
    }

    /// How much earlier than their time the waits of the queue are moved.
    pub(crate) fn ahead(&self, queue: &QueueName) -> Duration {
        if self.limited_queues.contains(queue) { Duration::ZERO } else { AHEAD }
    }

    /// When a stored schedule is due.
    pub(crate) fn due_at(of: &HeaderMap) -> Option<Timestamp> {
        let moved_at = of.get(NATS_SCHEDULE)?.as_str().strip_prefix("@at ")?;
        let due_at = of.get(headers::NOT_BEFORE).map_or(moved_at, HeaderValue::as_str);
        due_at.parse().ok()
    }
}

/// Adds the headers that make the broker move the job to its queue `ahead` of `due_at`, and the worker wait for
/// the rest.
pub(crate) fn put_due(
    out: &mut HeaderMap,
    subjects: &Subjects,
    key: &JobKey,
    due_at: Timestamp,
    ahead: Duration,
) {
    let due_at = due_at.min(LATEST);
    out.insert(NATS_SCHEDULE, format!("@at {}", due_at.saturating_sub(ahead)));
    out.insert(NATS_SCHEDULE_TARGET, subjects.job(Place::Queue, key));
    put_not_before(out, due_at);
}

/// Adds the header that makes the worker wait until `due_at`.
pub(crate) fn put_not_before(out: &mut HeaderMap, due_at: Timestamp) {
    out.insert(headers::NOT_BEFORE, due_at.to_string());
}
