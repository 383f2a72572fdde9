//! The jobs that wait for a slot, and the count of those that are in one. Shared by all queues,
//! first come, first served: that is what keeps a busy queue from starving another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::held::Held;

#[derive(Debug)]
pub(crate) struct Ready {
    slots: usize,
    state: Mutex<State>,
    /// One permit a waiting job: slots queue up here.
    jobs: Semaphore,
    /// Told when it may be worth fetching more.
    room: Notify,
    /// Whose turn it is to fetch. Feeds line up here: otherwise the first to see the room would
    /// always be the same.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Held>>,
    running: usize,
    /// Jobs that may wait although no slot is free.
    ahead: usize,
}

impl State {
    /// How many more to fetch; zero when it is better to wait.
    fn wanted(&self, slots: usize) -> usize {
        let free = slots - self.running;
        let waiting = self.waiting.len();
        let starving = waiting < free;
        let half_used = self.ahead > 0 && waiting <= free + self.ahead / 2;
        if starving || half_used { (free + self.ahead).saturating_sub(waiting) } else { 0 }
    }
}

impl Ready {
    pub(crate) fn new(slots: usize) -> Self {
        Self {
            slots,
            state: Mutex::default(),
            jobs: Semaphore::new(0),
            room: Notify::new(),
            turn: tokio::sync::Mutex::new(()),
        }
    }

    /// Adds jobs. Returns them when there will be no more slots.
    pub(crate) fn push(&self, batch: Vec<Arc<Held>>) -> Result<(), Vec<Arc<Held>>> {
        let count = batch.len();
        let mut state = self.state();
        // Closed under the same lock, so that nothing is pushed behind a drain.
        if self.jobs.is_closed() {
            return Err(batch);
        }
        state.waiting.extend(batch);
        drop(state);
        self.jobs.add_permits(count);
        Ok(())
    }

    /// The next job, for the slot that asks, which is in use until [`done`](Self::done). None once
    /// closed.
    pub(crate) async fn next(&self) -> Option<Arc<Held>> {
        loop {
            self.jobs.acquire().await.ok()?.forget();
            let job = self.take();
            if job.is_some() {
                return job;
            }
        }
    }

    fn take(&self) -> Option<Arc<Held>> {
        let mut state = self.state();
        // One that was given back meanwhile is skipped.
        let job = state.waiting.pop_front().filter(|held| held.start());
        state.running += usize::from(job.is_some());
        self.tell(state);
        job
    }

    /// Lets go of the state, and wakes the feed whose turn it is if it should fetch.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let more = state.wanted(self.slots) > 0;
        drop(state);
        if more {
            self.room.notify_one();
        }
    }

    /// The slot is free again.
    pub(crate) fn done(&self) {
        let mut state = self.state();
        state.running -= 1;
        self.tell(state);
    }

    /// Waits until it is worth fetching, and says how many.
    pub(crate) async fn room(&self, ahead: usize) -> usize {
        let _turn = self.turn.lock().await;
        loop {
            let wanted = self.wanted(ahead);
            if wanted > 0 {
                return wanted;
            }
            self.room.notified().await;
        }
    }

    fn wanted(&self, ahead: usize) -> usize {
        let mut state = self.state();
        state.ahead = ahead;
        state.wanted(self.slots)
    }

    /// Slots in use.
    pub(crate) fn running(&self) -> usize {
        self.state().running
    }

    /// Hands out no job any more; returns those that waited.
    pub(crate) fn close(&self) -> Vec<Arc<Held>> {
        let mut state = self.state();
        self.jobs.close();
        state.waiting.drain(..).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
