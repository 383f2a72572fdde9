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

use naq_core::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

/// How much later than its due time the broker moves a wait that this process has not ended.
pub(crate) const BACKSTOP: Duration = Duration::from_secs(2);
/// For how long after the due time this process may move it. The broker may be slow to carry the request
/// out, and its timer must be far away then.
pub(crate) const WINDOW: Duration = Duration::from_millis(500);
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
    pub(crate) due_at: Timestamp,
    _count: OwnedSemaphorePermit,
    _kib: OwnedSemaphorePermit,
}

impl DueWaits {
    /// Room for a wait of a message of `size` bytes. `None` if it is long, or if there are too many. `now`
    /// is a time that the broker's clock has certainly reached.
    pub(crate) fn room(&self, due_at: Timestamp, size: usize, now: Timestamp) -> Option<WaitRoom> {
        if due_at > now + LONGEST {
            return None;
        }
        let kib = u32::try_from(size / 1024 + 1).ok()?;
        let count = Arc::clone(&self.count).try_acquire_owned().ok()?;
        let kib = Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()?;
        Some(WaitRoom { due_at, _count: count, _kib: kib })
    }

    /// Waits until another one may be moved. `None` never happens: nothing closes the semaphore.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.at_once.acquire().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_waits_are_held_and_not_more_than_a_bound() {
        let (waits, now) = (DueWaits::default(), Timestamp::from_millis(1_000_000));
        assert!(waits.room(now + LONGEST + Duration::from_millis(1), 1, now).is_none());
        let held: Vec<_> = (0..MOST).filter_map(|_| waits.room(now + LONGEST, 1, now)).collect();
        assert_eq!(held.len(), MOST);
        assert!(waits.room(now, 1, now).is_none(), "too many");
        drop(held);
        let large = waits.room(now, (MOST_KIB - 1) * 1024, now);
        assert!(large.is_some() && waits.room(now, 2048, now).is_none(), "too many bytes");
    }
}
