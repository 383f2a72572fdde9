//! [`ManualClock`]: time that stands still until the test moves it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::clock::{Clock, Timer, Timestamp};
use crate::sync::lock;

/// How often the tasks that a moment has woken may hand on to each other before the next moment.
const TURNS: usize = 64;

/// A clock and timer moved by hand. Cheap to clone; clones show the same time.
///
/// ```
/// use naq_core::testing::ManualClock;
/// use naq_core::{Clock, Timer};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let clock = ManualClock::new();
/// let start = clock.now();
/// let sleeper = clock.sleep_until(start + Duration::from_secs(3600));
/// tokio::join!(sleeper, clock.advance(Duration::from_secs(3600)));
/// assert_eq!(clock.now(), start + Duration::from_secs(3600));
/// # }
/// ```
#[derive(Clone)]
pub struct ManualClock {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    now: Timestamp,
    next_sleeper: u64,
    /// By the time they wait for, then by the order in which they came.
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::at(Timestamp::from_millis(1_767_225_600_000))
    }

    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        let shared = Shared { now, next_sleeper: 0, sleepers: BTreeMap::new() };
        Self { shared: Arc::new(Mutex::new(shared)) }
    }

    /// Lets `by` pass; see [`advance_to`](Self::advance_to).
    pub async fn advance(&self, by: Duration) {
        self.advance_to(self.now() + by).await;
    }

    /// Moves to `to` by way of every moment that somebody waits for: sleepers wake in the order of
    /// their times, each at its own time, and what they start then has its turn before time goes
    /// on. Meant for the single-threaded test runtime; work on other threads is not waited for.
    /// Never moves back.
    pub async fn advance_to(&self, to: Timestamp) {
        settle().await;
        loop {
            let next = self.shared().sleepers.keys().next().map(|(at, _)| *at);
            match next.filter(|at| *at <= to) {
                Some(at) => self.set(at),
                None => break,
            }
            settle().await;
        }
        self.set(to);
        settle().await;
    }

    /// Shows `to` at once and wakes whoever waited for it; for code that cannot wait. Never moves
    /// back.
    pub fn set(&self, to: Timestamp) {
        let mut shared = self.shared();
        shared.now = shared.now.max(to);
        while let Some(first) = shared.sleepers.first_entry()
            && first.key().0 <= to
        {
            // An error means that it waits no longer.
            let _ = first.remove().send(());
        }
    }

    /// How many wait for a later time.
    pub fn sleepers(&self) -> usize {
        self.shared().sleepers.len()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }
}

async fn settle() {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
}

/// Leaves no entry behind when the one who slept is dropped.
struct Sleeper<'a> {
    clock: &'a ManualClock,
    key: (Timestamp, u64),
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        self.clock.shared().sleepers.remove(&self.key);
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ManualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManualClock({})", self.now())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shared().now
    }
}

#[async_trait]
impl Timer for ManualClock {
    async fn sleep_until(&self, at: Timestamp) {
        let (woken, key) = {
            let mut shared = self.shared();
            if at <= shared.now {
                return;
            }
            let (wake, woken) = oneshot::channel();
            let key = (at, shared.next_sleeper);
            shared.next_sleeper += 1;
            shared.sleepers.insert(key, wake);
            (woken, key)
        };
        let _sleeper = Sleeper { clock: self, key };
        // The sender lives in the clock until it is used.
        let _ = woken.await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_in_order_each_at_its_own_time() {
        let clock = ManualClock::new();
        let start = clock.now();
        let seen = Arc::new(Mutex::new(Vec::new()));
        for secs in [30, 10, 20] {
            let (clock, seen) = (clock.clone(), seen.clone());
            tokio::spawn(async move {
                clock.sleep_until(start + Duration::from_secs(secs)).await;
                seen.lock().unwrap().push((secs, clock.now().since(start).as_secs()));
            });
        }
        clock.advance(Duration::from_secs(25)).await;
        assert_eq!(*seen.lock().unwrap(), [(10, 10), (20, 20)]);
        clock.advance(Duration::from_secs(5)).await;
        assert_eq!(seen.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_loop_that_sleeps_again_runs_once_for_every_period() {
        let clock = ManualClock::new();
        let ticks = Arc::new(Mutex::new(0));
        let (ticking, counted) = (clock.clone(), ticks.clone());
        let task = tokio::spawn(async move {
            loop {
                ticking.sleep_until(ticking.now() + Duration::from_secs(1)).await;
                *counted.lock().unwrap() += 1;
            }
        });
        clock.advance(Duration::from_secs(100)).await;
        assert_eq!(*ticks.lock().unwrap(), 100);
        task.abort();
        let _ = task.await;
        assert_eq!(clock.sleepers(), 0, "a dropped sleeper leaves nothing behind");
    }
}
