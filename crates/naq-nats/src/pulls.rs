//! How many deliveries the broker still owes us. A pull asks for some; each delivery takes one off;
//! a pull that ends early says how many it leaves. Deliveries do not say which pull they are from,
//! so only the sum is exact, and it heals itself: when the last pull is over, nothing is owed.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How long a pull waits at the broker. Short, because a worker that stops waits for its pulls to
/// end: what the broker hands to nobody counts as a death. So no heartbeats are needed either.
pub(crate) const EXPIRES: Duration = Duration::from_secs(1);
/// Silence for so long means that the pull is not there any more, whatever we think.
pub(crate) const SILENCE: Duration = Duration::from_millis(2500);
/// After this, a pull is over even if nobody said so.
const OVER: Duration = Duration::from_secs(3);

#[derive(Debug, Clone, Copy)]
struct Pull {
    batch: usize,
    begun: Instant,
}

/// The pulls under way.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    open: BTreeMap<u64, Pull>,
    next: u64,
    owed: usize,
    heard: Option<Instant>,
}

impl Pulls {
    /// How many more to ask for, given room for `room`: none while half of that is still owed, so
    /// that small pulls do not follow each other, and never more than fits.
    pub(crate) fn wanted(&self, room: usize) -> usize {
        if self.owed * 2 > room { 0 } else { room - self.owed }
    }

    /// The number of the next pull.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// The pull of that number has been sent.
    pub(crate) fn begun(&mut self, batch: usize, now: Instant) {
        self.open.insert(self.next, Pull { batch, begun: now });
        self.next += 1;
        self.owed += batch;
        self.heard.get_or_insert(now);
    }

    /// A delivery has come.
    pub(crate) fn delivered(&mut self, now: Instant) {
        self.owed = self.owed.saturating_sub(1);
        self.heard = (self.owed > 0).then_some(now);
    }

    /// Whether deliveries may still come.
    pub(crate) fn are_open(&self) -> bool {
        self.owed > 0
    }

    /// A pull has ended, leaving so many; none said means all of it. True if it brought nothing.
    pub(crate) fn ended(&mut self, number: u64, left: Option<usize>, now: Instant) -> bool {
        let Some(pull) = self.open.remove(&number) else { return false };
        let left = left.unwrap_or(pull.batch);
        self.owed = self.owed.saturating_sub(left);
        if self.open.is_empty() {
            self.owed = 0;
        }
        self.heard = (self.owed > 0).then_some(now);
        left >= pull.batch
    }

    /// Forgets pulls that must be over. Those that were served in full end without a word.
    pub(crate) fn tidy(&mut self, now: Instant) {
        self.open.retain(|_, pull| now.duration_since(pull.begun) < OVER);
        if self.open.is_empty() || self.owed == 0 {
            self.reset();
        }
    }

    /// Nothing is under way any more: the connection is another one.
    pub(crate) fn reset(&mut self) {
        self.open.clear();
        self.owed = 0;
        self.heard = None;
    }

    /// When silence has lasted too long.
    pub(crate) fn silent_at(&self) -> Option<Instant> {
        self.heard.map(|heard| heard + SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_broker_never_owes_more_than_there_is_room_for() {
        let now = Instant::now();
        let mut pulls = Pulls::default();
        assert_eq!(pulls.wanted(10), 10);
        pulls.begun(10, now);
        assert_eq!(pulls.wanted(10), 0);
        for _ in 0..4 {
            pulls.delivered(now);
        }
        // Six owed: enough to go on with, until less than half of the room is.
        assert_eq!((pulls.wanted(10), pulls.wanted(6)), (0, 0));
        pulls.delivered(now);
        assert_eq!(pulls.wanted(10), 5);
        assert_eq!(pulls.wanted(1), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_that_ends_gives_back_what_it_left() {
        let now = Instant::now();
        let mut pulls = Pulls::default();
        pulls.begun(10, now);
        pulls.begun(4, now);
        pulls.delivered(now);
        assert!(!pulls.ended(0, Some(9), now), "it brought one");
        assert_eq!(pulls.wanted(10), 6);
        assert!(pulls.ended(1, None, now), "it brought none");
        assert_eq!(pulls.wanted(10), 10);
        assert!(!pulls.ended(7, None, now), "unknown");
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_heard_the_end_of_is_forgotten() {
        let now = Instant::now();
        let mut pulls = Pulls::default();
        pulls.begun(10, now);
        assert_eq!(pulls.silent_at(), Some(now + SILENCE));
        pulls.tidy(now + EXPIRES);
        assert_eq!(pulls.wanted(10), 0);
        pulls.tidy(now + OVER);
        assert_eq!((pulls.wanted(10), pulls.silent_at()), (10, None));
    }
}
