//! Counts how many deliveries the broker may still send. A pull requests some, each delivery
//! reduces the count, and a pull that ends early reports how many it leaves. A delivery does not
//! say which pull it belongs to, so only the sum is exact. The count corrects itself: when no pull
//! is open, it is zero.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::under_way::PullBytes;

/// How long a pull waits at the broker. It is short because a worker that stops waits for its pulls
/// to end: a delivery that no worker receives would count as a crash. A short pull also needs no
/// heartbeats.
pub(crate) const EXPIRES: Duration = Duration::from_secs(1);
/// If nothing arrives for this long, the worker treats the open pulls as lost.
pub(crate) const SILENCE: Duration = Duration::from_millis(2500);
/// After this time a pull has ended, even if its status was not received.
const MAX_LIFETIME: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy)]
struct OpenPull {
    batch: usize,
    /// How many bytes it may bring.
    bytes: usize,
    sent_at: Instant,
}

/// The pulls that have not ended.
#[derive(Debug, Default)]
pub(crate) struct OpenPulls {
    open: BTreeMap<u64, OpenPull>,
    next: u64,
    outstanding: usize,
    last_message_at: Option<Instant>,
}

impl OpenPulls {
    /// How many more deliveries to request if there is room for `room`. Zero while more than half
    /// of the room is still outstanding, so that pulls do not become small, and never more than
    /// fits.
    pub(crate) fn wanted(&self, room: usize) -> usize {
        if self.outstanding * 2 > room { 0 } else { room - self.outstanding }
    }

    /// How many bytes the next pull may bring. `None` while the open pulls may bring all that may be under
    /// way. `least` is what a message needs that was too large for an earlier pull.
    pub(crate) fn bytes(&self, bound: PullBytes, least: usize) -> Option<usize> {
        let open: usize = self.open.values().map(|pull| pull.bytes).sum();
        let bytes = bound.each.max(least);
        (self.open.is_empty() || open + bytes <= bound.all).then_some(bytes)
    }

    /// The bound of an open pull, in bytes.
    pub(crate) fn bytes_of(&self, number: u64) -> Option<usize> {
        self.open.get(&number).map(|pull| pull.bytes)
    }

    /// The number of the next pull.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The next pull was sent.
    pub(crate) fn on_sent(&mut self, batch: usize, bytes: usize, now: Instant) {
        self.open.insert(self.next, OpenPull { batch, bytes, sent_at: now });
        self.next += 1;
        self.outstanding += batch;
        self.last_message_at.get_or_insert(now);
    }

    /// A delivery has arrived.
    pub(crate) fn on_delivery(&mut self, now: Instant) {
        self.outstanding = self.outstanding.saturating_sub(1);
        self.last_message_at = (self.outstanding > 0).then_some(now);
    }

    /// Whether deliveries may still arrive.
    pub(crate) fn are_open(&self) -> bool {
        self.outstanding > 0
    }

    /// A pull has ended. `left` is how many deliveries it did not bring; `None` means all. True if
    /// it brought none.
    pub(crate) fn on_end(&mut self, number: u64, left: Option<usize>, now: Instant) -> bool {
        let Some(pull) = self.open.remove(&number) else { return false };
        let left = left.unwrap_or(pull.batch);
        self.outstanding = self.outstanding.saturating_sub(left);
        if self.open.is_empty() {
            self.outstanding = 0;
        }
        self.last_message_at = (self.outstanding > 0).then_some(now);
        left >= pull.batch
    }

    /// Removes pulls that must have ended. A pull whose last message used up its bytes to the last one
    /// ends without a status.
    pub(crate) fn drop_expired(&mut self, now: Instant) {
        self.open.retain(|_, pull| now.duration_since(pull.sent_at) < MAX_LIFETIME);
        if self.open.is_empty() || self.outstanding == 0 {
            self.reset();
        }
    }

    /// Removes all pulls, because they belong to an old connection.
    pub(crate) fn reset(&mut self) {
        self.open.clear();
        self.outstanding = 0;
        self.last_message_at = None;
    }

    /// When the broker has been silent for too long.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        self.last_message_at.map(|last_message_at| last_message_at + SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_more_deliveries_are_requested_than_there_is_room_for() {
        let now = Instant::now();
        let mut pulls = OpenPulls::default();
        assert_eq!(pulls.wanted(10), 10);
        pulls.on_sent(10, 100, now);
        assert_eq!(pulls.wanted(10), 0);
        for _ in 0..4 {
            pulls.on_delivery(now);
        }
        // Six are outstanding. That is enough, until it is less than half of the room.
        assert_eq!((pulls.wanted(10), pulls.wanted(6)), (0, 0));
        pulls.on_delivery(now);
        assert_eq!(pulls.wanted(10), 5);
        assert_eq!(pulls.wanted(1), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_that_ends_early_reduces_the_outstanding_count() {
        let now = Instant::now();
        let mut pulls = OpenPulls::default();
        pulls.on_sent(10, 100, now);
        pulls.on_sent(4, 100, now);
        pulls.on_delivery(now);
        assert!(!pulls.on_end(0, Some(9), now), "it brought one");
        assert_eq!(pulls.wanted(10), 6);
        assert!(pulls.on_end(1, None, now), "it brought none");
        assert_eq!(pulls.wanted(10), 10);
        assert!(!pulls.on_end(7, None, now), "unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn open_pulls_share_the_bytes_that_may_be_under_way_and_one_is_always_allowed() {
        let now = Instant::now();
        let mut pulls = OpenPulls::default();
        let bound = PullBytes { each: 40, all: 100 };
        for number in 0..2 {
            assert_eq!(pulls.bytes(bound, 0), Some(40));
            pulls.on_sent(10, 40, now);
            assert_eq!(pulls.bytes_of(number), Some(40));
        }
        assert_eq!(pulls.bytes(bound, 0), None, "80 of 100 may be under way");
        assert!(!pulls.on_end(0, Some(0), now));
        assert_eq!(pulls.bytes(bound, 0), Some(40));
        pulls.reset();
        assert_eq!(pulls.bytes(bound, 500), Some(500), "alone");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_without_a_status_is_forgotten_after_its_lifetime() {
        let now = Instant::now();
        let mut pulls = OpenPulls::default();
        pulls.on_sent(10, 100, now);
        assert_eq!(pulls.silent_at(), Some(now + SILENCE));
        pulls.drop_expired(now + EXPIRES);
        assert_eq!(pulls.wanted(10), 0);
        pulls.drop_expired(now + MAX_LIFETIME);
        assert_eq!((pulls.wanted(10), pulls.silent_at()), (10, None));
    }
}
