//! Ends the waits that this process has stored. [`due_waits`](crate::due_waits) says why it may.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE_NEXT, NATS_SCHEDULER};
use naq_core::Timestamp;
use naq_core::transport::{JobKey, Place};
use naq_core::wire::WireMessage;
use tokio::time::{Instant, sleep_until};

use crate::api::Api;
use crate::due_waits::{WINDOW, WaitRoom};
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, EXPECTED_LAST_ON, outgoing};

/// How often a wait looks at the clock.
const POLL: Duration = Duration::from_secs(1);

impl Api {
    /// Room for a wait that this process will end itself. `None` if the broker has to: the wait is long,
    /// there are too many, no queue is open here, or the broker's clock is not known.
    pub(crate) fn room_for_wait(
        &self,
        message: &WireMessage,
        due_at: Timestamp,
    ) -> Option<WaitRoom> {
        let now = self.offset.broker_now_at_least(self.config.clock.now())?;
        if !self.under_way.has_open_queue() {
            return None;
        }
        self.due_waits.room(due_at, message.size(), now)
    }

    /// Ends a wait at its time. `seq` is the sequence of its message.
    pub(crate) fn end_when_due(
        self: &Arc<Self>,
        room: WaitRoom,
        key: JobKey,
        message: WireMessage,
        seq: u64,
    ) {
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let Some(api) = weak.upgrade() else { return };
                let now = api.offset.broker_now_at_least(api.config.clock.now());
                let left = now.map_or(POLL, |now| room.due_at.since(now));
                if left.is_zero() {
                    break;
                }
                drop(api);
                // The clock may be set meanwhile, so this looks again.
                sleep_until(Instant::now() + left.min(POLL)).await;
            }
            let Some(api) = weak.upgrade() else { return };
            let _turn = api.due_waits.turn().await;
            // Without a connection the request would be sent much later.
            if api.connection.state().connected && api.now() < room.due_at + WINDOW {
                api.end_wait(&key, &message, seq).await;
            }
        });
    }

    /// Moves a waiting message to its queue. It is sent once: an answer that is lost, or a message that is
    /// gone, is left to the broker.
    async fn end_wait(&self, key: &JobKey, message: &WireMessage, seq: u64) {
        let schedule = self.subjects.job(Place::Schedule, key);
        let target = self.subjects.job(Place::Queue, key);
        let headers = release_headers(message, &schedule, seq);
        match self.store(&target, headers, message.body.clone()).await {
            Ok(_) => {}
            // Cancelled, moved, or started by an operator.
            Err(error) if error.is(WRONG_LAST_SEQUENCE) => {}
            Err(error) => tracing::debug!(job = %key, ?error, "the broker will end this wait"),
        }
    }
}

/// The headers with which a waiting message becomes one in the queue, if it is still the one with this
/// sequence.
pub(crate) fn release_headers(message: &WireMessage, schedule: &str, seq: u64) -> HeaderMap {
    let mut headers = outgoing(message);
    headers.insert(EXPECTED_LAST, seq.to_string());
    headers.insert(EXPECTED_LAST_ON, schedule);
    headers.insert(NATS_SCHEDULER, schedule);
    headers.insert(NATS_SCHEDULE_NEXT, "purge");
    headers
}
