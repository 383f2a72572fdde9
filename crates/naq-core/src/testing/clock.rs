//! [`ManualClock`]: a clock that only the test moves.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use crate::clock::{Clock, Timer, Timestamp};
use crate::sync::lock;

/// How often other tasks get to run before the clock moves on.
const YIELDS: usize = 64;

/// A clock and timer that only the test moves. Clones are cheap and show the same time.
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
    state: Arc<Mutex<ClockState>>,
}

struct ClockState {
    now: Timestamp,
    next_sleeper: u64,
    /// By the time that they wait for, then in the order in which they started.
    sleepers: BTreeMap<(Timestamp, u64), oneshot::Sender<()>>,
}

impl ManualClock {
    /// A clock that shows 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        Self::at(Timestamp::from_millis(1_767_225_600_000))
    }

    /// A clock that shows `now`.
    pub fn at(now: Timestamp) -> Self {
        let state = ClockState { now, next_sleeper: 0, sleepers: BTreeMap::new() };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Moves the clock by `by`; see [`advance_to`](Self::advance_to).
    pub async fn advance(&self, by: Duration) {
        self.advance_to(self.now() + by).await;
    }

    /// Moves the clock to `to`. It stops at every time that a task sleeps until: sleepers wake in the
    /// order of their times, and what they do runs before the clock moves on. Use it on a
    /// single-threaded runtime, because it does not wait for work on other threads. The clock never
    /// moves back.
    pub async fn advance_to(&self, to: Timestamp) {
        settle().await;
        loop {
            let next = self.state().sleepers.keys().next().map(|(at, _)| *at);
            match next.filter(|at| *at <= to) {
                Some(at) => self.set(at),
                None => break,
            }
            settle().await;
        }
        self.set(to);
        settle().await;
    }

    /// Sets the clock to `to` at once and wakes all tasks that sleep until then. For code that is not
    /// async. The clock never moves back.
    pub fn set(&self, to: Timestamp) {
        let mut state = self.state();
        state.now = state.now.max(to);
        while let Some(first) = state.sleepers.first_entry()
            && first.key().0 <= to
        {
            // An error means that the sleeper was dropped.
            let _ = first.remove().send(());
        }
    }

    /// How many tasks sleep until a later time.
    pub fn sleepers(&self) -> usize {
        self.state().sleepers.len()
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        lock(&self.state)
    }
}

async fn settle() {
    for _ in 0..YIELDS {
        tokio::task::yield_now().await;
    }
}

/// Removes the entry of a sleeper that is dropped.
struct SleeperGuard<'a> {
    clock: &'a ManualClock,
    key: (Timestamp, u64),
}

impl Drop for SleeperGuard<'_> {
    fn drop(&mut self) {
        self.clock.state().sleepers.remove(&self.key);
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
        self.state().now
    }
}

#[async_trait]
impl Timer for ManualClock {
    async fn sleep_until(&self, at: Timestamp) {
        let (woken, key) = {
            let mut state = self.state();
            if at <= state.now {
                return;
            }
            let (wake, woken) = oneshot::channel();
            let key = (at, state.next_sleeper);
            state.next_sleeper += 1;
            state.sleepers.insert(key, wake);
            (woken, key)
        };
        let _sleeper = SleeperGuard { clock: self, key };
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
