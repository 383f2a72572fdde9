//! [`DueWaits`]: ends short waits at their time, to a few milliseconds.
//!
//! The broker moves due messages to the queue on a tick of 250 ms, which all delays of whole seconds just
//! miss. So a worker that has stored a retry which is due soon moves it itself, with the one request that
//! also an operator uses to start a job now. The broker stores the message in the queue and removes the
//! waiting one in one step. So a job is in the queue at its due time or later, whichever version of NAQ
//! reads it there.
//!
//! The broker's own timer is for the case that this process is gone. It must not run at the same moment:
//! it reads due messages and stores them a moment later, without a second look. So such a wait is stored
//! with a time [`BACKSTOP`] later than its due time, and a header that says the due time. This process
//! moves it within [`WINDOW`], or leaves it to the broker.
//!
//! What is held here is only a hint: a lost one makes its job late, and nothing else depends on it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_SCHEDULE_NEXT, NATS_SCHEDULER};
use naq_core::Timestamp;
use naq_core::transport::{JobKey, Place};
use naq_core::wire::WireMessage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use crate::api::Api;
use crate::error_codes::WRONG_LAST_SEQUENCE;
use crate::message::{EXPECTED_LAST, EXPECTED_LAST_ON, outgoing};

/// How much later than its due time the broker moves a wait that this process has not ended.
pub(crate) const BACKSTOP: Duration = Duration::from_secs(2);
/// For how long after the due time this process may move it. The broker may be slow to carry the request
/// out, and its timer must be far away then.
const WINDOW: Duration = Duration::from_millis(500);
/// The longest wait that is held. It is short, because a process that ends leaves its waits to the
/// broker, which is late for them.
const LONGEST: Duration = Duration::from_secs(10);
/// How many waits are held at once. The broker's tick is good enough for a flood of retries.
const MOST: usize = 4_000;
/// How many KiB they may have together.
const MOST_KIB: usize = 32 * 1024;
/// How many are moved at the same time.
const AT_ONCE: usize = 256;

/// The waits that this process ends.
#[derive(Debug)]
pub(crate) struct DueWaits {
    count: Arc<Semaphore>,
    kib: Arc<Semaphore>,
    at_once: Semaphore,
}

impl Default for DueWaits {
    fn default() -> Self {
        Self {
            count: Arc::new(Semaphore::new(MOST)),
            kib: Arc::new(Semaphore::new(MOST_KIB)),
            at_once: Semaphore::new(AT_ONCE),
        }
    }
}

/// Room for one wait.
#[derive(Debug)]
pub(crate) struct WaitRoom {
    due_at: Timestamp,
    _count: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

impl Api {
    /// Room for a wait that this process will end itself. `None` if the broker has to: the wait is long,
    /// there are too many, no queue is open here, or the broker's clock is not known.
    pub(crate) fn room_for_wait(&self, message: &WireMessage, due_at: Timestamp) -> Option<WaitRoom> {
        let now = self.offset.broker_now_at_least(self.config.clock.now())?;
        if !self.under_way.has_open_queue() || due_at > now + LONGEST {
            return None;
        }
        let kib = u32::try_from(message.size() / 1024 + 1).ok()?;
        let count = Arc::clone(&self.due_waits.count).try_acquire_owned().ok()?;
        let kib = Arc::clone(&self.due_waits.kib).try_acquire_many_owned(kib).ok()?;
        Some(WaitRoom { due_at, _count: count, _kib: kib })
    }

    /// Ends a wait at its time. `seq` is the sequence of its message.
    pub(crate) fn end_when_due(
        self: &Arc<Self>,
        room: WaitRoom,
        key: JobKey,
        message: WireMessage,
        seq: u64,
    ) {
        let api = Arc::clone(self);
        tokio::spawn(async move {
            api.until_due(room.due_at).await;
            let Ok(_turn) = api.due_waits.at_once.acquire().await else { return };
            if api.now() < room.due_at + WINDOW {
                api.end_wait(&key, &message, seq).await;
            }
            drop(room);
        });
    }

    /// Returns when it is certain that the broker's clock has reached this time.
    async fn until_due(&self, due_at: Timestamp) {
        loop {
            let now = self.offset.broker_now_at_least(self.config.clock.now());
            let left = now.map_or(Duration::ZERO, |now| due_at.since(now));
            if left.is_zero() && now.is_some() {
                return;
            }
            sleep_until(Instant::now() + left.max(Duration::from_millis(1))).await;
        }
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
