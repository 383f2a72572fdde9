//! [`Ready`]: the jobs that wait for a slot, and the number of slots in use. [`Lanes`] says which job
//! is next.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{Notify, Semaphore};

use super::lanes::{Lanes, Sharing};
use crate::delivery::HeldJob;
use naq_core::sync::lock;

/// The jobs that wait for a slot, and the number of slots in use.
#[derive(Debug)]
pub(crate) struct Ready {
    slots: usize,
    sharing: Sharing,
    state: Mutex<State>,
    /// One permit for each waiting job. Free slots wait for one here.
    jobs: Semaphore,
    turns: Vec<FetchTurns>,
}

/// The feeds of a lane take turns: each waits here until it should fetch.
#[derive(Debug, Default)]
struct FetchTurns {
    /// Notified when the lane may need more jobs.
    room: Notify,
    /// Locked by the feed whose turn it is. Without this lock the same feed would always be the first
    /// to see that there is room.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    lanes: Lanes<Arc<HeldJob>>,
    running: usize,
    /// Jobs that may wait although no slot is free.
    ahead: usize,
    /// Permits that were taken while every waiting job had to wait for a queue with a higher priority.
    withheld: usize,
}

impl Ready {
    /// `weights` are those of the queues, in their order.
    pub(crate) fn new(
        slots: usize,
        sharing: Sharing,
        weights: impl IntoIterator<Item = u32>,
    ) -> Self {
        let lanes = Lanes::new(sharing, weights);
        Self {
            slots,
            sharing,
            turns: (0..lanes.count()).map(|_| FetchTurns::default()).collect(),
            state: Mutex::new(State { lanes, running: 0, ahead: 0, withheld: 0 }),
            jobs: Semaphore::new(0),
        }
    }

    /// Whether the choice of the next job depends on which queues are empty.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing != Sharing::FirstCome
    }

    /// Adds jobs of a queue. An error gives them back: the worker stops.
    pub(crate) fn push(
        &self,
        queue: usize,
        batch: Vec<Arc<HeldJob>>,
    ) -> Result<(), Vec<Arc<HeldJob>>> {
        let count = batch.len();
        let mut state = self.state();
        // `close` holds the same lock, so that no job is pushed after it.
        if self.jobs.is_closed() {
            return Err(batch);
        }
        let lane = state.lanes.lane(queue);
        state.lanes.push(lane, batch);
        drop(state);
        self.jobs.add_permits(count);
        Ok(())
    }

    /// The next job. The slot that gets it is in use until [`done`](Self::done). None once closed.
    pub(crate) async fn next(&self) -> Option<Arc<HeldJob>> {
        loop {
            self.jobs.acquire().await.ok()?.forget();
            let job = self.take();
            if job.is_some() {
                return job;
            }
        }
    }

    fn take(&self) -> Option<Arc<HeldJob>> {
        let mut state = self.state();
        let next = state.lanes.pop();
        if next.is_none() && state.lanes.waiting() > 0 {
            state.withheld += 1;
        }
        // A job that was given back meanwhile is skipped.
        let job = next.filter(|held| held.start());
        state.running += usize::from(job.is_some());
        self.wake_feeds(state);
        job
    }

    /// Unlocks the state, and wakes the feeds that should fetch.
    fn wake_feeds(&self, state: MutexGuard<'_, State>) {
        let wakes = |lane: &usize| !state.lanes.is_asked(*lane) && self.wants(&state, *lane) > 0;
        if !self.is_shared() {
            let more = self.wants(&state, 0) > 0;
            drop(state);
            if more {
                self.turns[0].room.notify_one();
            }
            return;
        }
        for lane in (0..self.turns.len()).filter(wakes) {
            self.turns[lane].room.notify_one();
        }
    }

    fn wants(&self, state: &State, lane: usize) -> usize {
        state.lanes.wants(lane, self.slots - state.running, state.ahead)
    }

    /// The slot is free again.
    pub(crate) fn done(&self) {
        let mut state = self.state();
        state.running -= 1;
        self.wake_feeds(state);
    }

    /// Waits until the queue should be asked, and returns for how many jobs. The queue counts as
    /// asked until [`answered`](Self::answered).
    pub(crate) async fn room(&self, queue: usize, ahead: usize) -> usize {
        let lane = self.state().lanes.lane(queue);
        let turns = &self.turns[lane];
        let _turn = turns.turn.lock().await;
        loop {
            let wanted = self.ask(lane, ahead);
            if wanted > 0 {
                return wanted;
            }
            turns.room.notified().await;
        }
    }

    fn ask(&self, lane: usize, ahead: usize) -> usize {
        let mut state = self.state();
        state.ahead = ahead;
        let wanted = self.wants(&state, lane);
        match wanted {
            0 => state.lanes.mark_unknown(lane),
            wanted if self.is_shared() => state.lanes.start_asking(lane, wanted),
            _ => {}
        }
        wanted
    }

    /// The queue has answered, or was not asked after all.
    pub(crate) fn answered(&self, queue: usize) {
        if self.is_shared() {
            let mut state = self.state();
            state.lanes.stop_asking(queue);
            self.wake_feeds(state);
        }
    }

    /// The queue seems to be empty, or cannot be asked.
    pub(crate) fn mark_empty(&self, queue: usize) {
        if !self.is_shared() {
            return;
        }
        let mut state = self.state();
        state.lanes.mark_empty(queue);
        let withheld = std::mem::take(&mut state.withheld);
        self.wake_feeds(state);
        self.jobs.add_permits(withheld);
    }

    /// The number of slots in use.
    pub(crate) fn running(&self) -> usize {
        self.state().running
    }

    /// Stops handing out jobs, and returns those that waited.
    pub(crate) fn close(&self) -> Vec<Arc<HeldJob>> {
        let mut state = self.state();
        self.jobs.close();
        state.lanes.drain()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}
