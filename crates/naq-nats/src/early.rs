//! Deliveries that arrive before their time, and are held until it has come.
//!
//! The broker's timer moves what is due at most every 250 ms. So a wait is scheduled [`AHEAD`] of its time,
//! with the time itself in a header. A delivery whose time has not come stays in the subscription: under its
//! lease, in no slot, and it is given back when the worker stops. See ADR 0063.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use naq_core::sync::lock;
use naq_core::transport::{Delivery, Stored};
use naq_core::{QueueName, Timestamp};
use tokio::time::Instant;

/// How much earlier than its time a wait is moved to its queue: a tick of the broker's timer, and what the
/// broker needs to move the jobs that are due in the same tick.
pub(crate) const AHEAD: Duration = Duration::from_millis(350);
/// No delivery is held longer. Only an operator who ran the job now moves it so far ahead of its time.
const LONGEST_HOLD: Duration = Duration::from_millis(500);
/// How many deliveries may be held. More wait at the broker.
const MOST: usize = 1_000;
/// How many bytes may be held.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Whether the time of this job may not have come, while the broker's clock shows nearly `now`.
pub(crate) fn is_early(stored: &Stored, now: Timestamp) -> bool {
    let times = now.saturating_sub(LONGEST_HOLD)..now + LONGEST_HOLD;
    stored.message.not_before().is_some_and(|time| times.contains(&time))
}

/// The queues that have a limit. A delivery that is held takes a place of the limit, so their waits are moved
/// when they are due.
#[derive(Debug, Default)]
pub(crate) struct LimitedQueues(Mutex<HashSet<QueueName>>);

impl LimitedQueues {
    pub(crate) fn set(&self, queue: &QueueName, limited: bool) {
        let mut queues = lock(&self.0);
        if !limited {
            queues.remove(queue);
        } else if !queues.contains(queue) {
            queues.insert(queue.clone());
        }
    }

    pub(crate) fn contains(&self, queue: &QueueName) -> bool {
        lock(&self.0).contains(queue)
    }
}

/// Waits that were sent to the broker's timer, and have no answer. The next request for the same one goes to the
/// timer, too, although less than a tick is left: otherwise the job could be at both places.
#[derive(Debug, Default)]
pub(crate) struct UnansweredWaits(Mutex<HashSet<String>>);

impl UnansweredWaits {
    pub(crate) fn contains(&self, dedup: &str) -> bool {
        lock(&self.0).contains(dedup)
    }

    /// The request for this wait has an answer, or has none.
    pub(crate) fn note(&self, dedup: &str, answered: bool) {
        let mut waits = lock(&self.0);
        if answered {
            waits.remove(dedup);
        } else if waits.len() < MOST {
            waits.insert(dedup.to_owned());
        }
    }
}

/// What the broker's clock shows at least. It comes from the times that the broker gave its messages and from
/// the time that has passed since they arrived. So it is never ahead of the broker's clock, and nothing that
/// happens to the clock of this machine changes it.
#[derive(Debug, Default)]
struct BrokerClock(Option<(Timestamp, Instant)>);

impl BrokerClock {
    /// A message has arrived that the broker stored at this time.
    fn heard(&mut self, stored_at: Timestamp, now: Instant) {
        if self.at_least(now) < stored_at {
            self.0 = Some((stored_at, now));
        }
    }

    fn at_least(&self, now: Instant) -> Timestamp {
        let passed = |(heard, at): (Timestamp, Instant)| heard + now.saturating_duration_since(at);
        self.0.map(passed).unwrap_or_default()
    }
}

/// The deliveries of one queue that are held until their time.
#[derive(Debug, Default)]
pub(crate) struct EarlyDeliveries {
    clock: BrokerClock,
    /// By the instant at which the time of each has come, and the order of their arrival.
    held: BTreeMap<(Instant, u64), Delivery>,
    arrived: u64,
    bytes: usize,
}

impl EarlyDeliveries {
    /// Holds the delivery if its time has not come. Returns it if it has.
    pub(crate) fn arrived(&mut self, delivery: Delivery, now: Instant) -> Option<Delivery> {
        let stored = &delivery.stored;
        self.clock.heard(stored.stored_at, now);
        let Some(time) = stored.message.not_before() else { return Some(delivery) };
        let wait = time.since(self.clock.at_least(now));
        if wait.is_zero() || wait > LONGEST_HOLD {
            return Some(delivery);
        }
        self.bytes += stored.message.size();
        self.arrived += 1;
        self.held.insert((now + wait, self.arrived), delivery);
        None
    }

    /// Takes a delivery whose time has come, the earliest first.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<Delivery> {
        let first = self.held.first_entry().filter(|first| first.key().0 <= now)?;
        let due = first.remove();
        self.bytes -= due.stored.message.size();
        Some(due)
    }

    /// When the time of the next one has come.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.held.first_key_value().map(|((due, _), _)| *due)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// All of them, to give them back.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Delivery> + use<> {
        self.bytes = 0;
        std::mem::take(&mut self.held).into_values()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use naq_core::JobId;
    use naq_core::transport::{JobKey, Place};
    use naq_core::wire::{WireMessage, headers};

    use async_trait::async_trait;
    use naq_core::transport::{AckHandle, TransportError};

    use super::*;

    #[derive(Debug)]
    struct NoAck;

    #[async_trait]
    impl AckHandle for NoAck {
        async fn ack(&self) -> Result<(), TransportError> {
            Ok(())
        }

        async fn renew(&self) -> Result<(), TransportError> {
            Ok(())
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000 + ms)
    }

    fn delivery(id: &str, stored_ms: u64, time_ms: Option<u64>) -> Delivery {
        let key = JobKey::new(QueueName::default(), JobId::new(id).expect("an id"));
        let mut message = WireMessage::new(vec![b'x'; 10].into());
        if let Some(time) = time_ms {
            message = message.with(headers::NOT_BEFORE, at(time).to_string());
        }
        let (place, stored_at) = (Place::Queue, at(stored_ms));
        let stored =
            Stored { key, place, seq: 7, stored_at, due_at: None, delivered: true, message };
        Delivery { stored, delivered: 1, suspect: false, handle: Arc::new(NoAck) }
    }

    fn ids(early: &mut EarlyDeliveries, now: Instant) -> Vec<String> {
        let due = std::iter::from_fn(|| early.take_due(now));
        due.map(|it| it.stored.key.id.to_string()).collect()
    }

    #[test]
    fn a_delivery_is_held_until_the_brokers_clock_shows_its_time() {
        let (mut early, start) = (EarlyDeliveries::default(), Instant::now());
        let ms = |ms| start + Duration::from_millis(ms);
        assert!(early.arrived(delivery("late", 700, Some(1_000)), ms(0)).is_none());
        assert!(early.arrived(delivery("soon", 700, Some(900)), ms(0)).is_none());
        assert!(early.arrived(delivery("now", 700, Some(700)), ms(0)).is_some());
        assert!(early.arrived(delivery("plain", 700, None), ms(0)).is_some());
        assert_eq!(early.next_due(), Some(ms(200)));
        assert!(ids(&mut early, ms(199)).is_empty());
        assert_eq!(ids(&mut early, ms(300)), ["soon", "late"]);
        assert_eq!((early.next_due(), early.bytes), (None, 0));
    }

    #[test]
    fn a_delivery_that_travelled_long_is_held_only_for_the_rest() {
        let (mut early, start) = (EarlyDeliveries::default(), Instant::now());
        let ms = |ms| start + Duration::from_millis(ms);
        assert!(early.arrived(delivery("clock", 700, None), ms(0)).is_some());
        // It was stored at the same time, and needed 120 ms.
        assert!(early.arrived(delivery("slow", 700, Some(1_000)), ms(120)).is_none());
        assert_eq!(early.next_due(), Some(ms(300)));
    }

    #[test]
    fn a_job_that_an_operator_ran_now_is_not_held() {
        let (mut early, now) = (EarlyDeliveries::default(), Instant::now());
        assert!(early.arrived(delivery("run-now", 700, Some(3_600_000)), now).is_some());
    }

    #[test]
    fn what_is_held_is_bounded_and_given_back_whole() {
        let (mut early, now) = (EarlyDeliveries::default(), Instant::now());
        for n in 0..MOST {
            assert!(!early.is_full());
            assert!(early.arrived(delivery(&format!("j{n}"), 700, Some(1_000)), now).is_none());
        }
        assert!(early.is_full());
        assert_eq!(early.take_all().count(), MOST);
        assert!(!early.is_full() && early.next_due().is_none());
    }

    #[test]
    fn a_queue_is_limited_until_its_limit_is_lifted() {
        let (limited, queue) = (LimitedQueues::default(), QueueName::default());
        assert!(!limited.contains(&queue));
        limited.set(&queue, true);
        assert!(limited.contains(&queue));
        limited.set(&queue, false);
        assert!(!limited.contains(&queue));
    }
}
