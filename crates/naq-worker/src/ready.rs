//! The jobs that wait for a slot, and the count of those that are in one. Whose turn it is where
//! several queues share the slots is in [`Lanes`].

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, Semaphore};

use crate::held::Held;
use crate::lanes::{Lanes, Sharing};

#[derive(Debug)]
pub(crate) struct Ready {
    slots: usize,
    sharing: Sharing,
    state: Mutex<State>,
    /// One permit a waiting job: slots queue up here.
    jobs: Semaphore,
    doors: Vec<Door>,
}

/// Where the feeds of a lane wait.
#[derive(Debug, Default)]
struct Door {
    /// Told when it may be worth fetching more.
    room: Notify,
    /// Whose turn it is to fetch. Feeds line up here: otherwise the first to see the room would
    /// always be the same.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    lanes: Lanes<Arc<Held>>,
    running: usize,
    /// Jobs that may wait although no slot is free.
    ahead: usize,
    /// Permits whose job had to wait for what a queue before its own has.
    withheld: usize,
}

impl Ready {
    /// With a lane for each queue, of that weight; or one for all.
    pub(crate) fn new(
        slots: usize,
        sharing: Sharing,
        weights: impl IntoIterator<Item = u32>,
    ) -> Self {
        let lanes = Lanes::new(sharing, weights);
        Self {
            slots,
            sharing,
            doors: (0..lanes.count()).map(|_| Door::default()).collect(),
            state: Mutex::new(State { lanes, running: 0, ahead: 0, withheld: 0 }),
            jobs: Semaphore::new(0),
        }
    }

    /// Whether it matters what is known of each queue.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing != Sharing::FirstCome
    }

    /// Adds jobs of a queue. Returns them when there will be no more slots.
    pub(crate) fn push(&self, queue: usize, batch: Vec<Arc<Held>>) -> Result<(), Vec<Arc<Held>>> {
        let count = batch.len();
        let mut state = self.state();
        // Closed under the same lock, so that nothing is pushed behind a drain.
        if self.jobs.is_closed() {
            return Err(batch);
        }
        let lane = state.lanes.lane(queue);
        state.lanes.push(lane, batch);
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
        let next = state.lanes.pop();
        if next.is_none() && state.lanes.waiting() > 0 {
            state.withheld += 1;
        }
        // One that was given back meanwhile is skipped.
        let job = next.filter(|held| held.start());
        state.running += usize::from(job.is_some());
        self.tell(state);
        job
    }

    /// Lets go of the state, and wakes the feeds that should fetch.
    fn tell(&self, state: MutexGuard<'_, State>) {
        let wakes = |lane: &usize| !state.lanes.is_asked(*lane) && self.wants(&state, *lane) > 0;
        if !self.is_shared() {
            let more = self.wants(&state, 0) > 0;
            drop(state);
            if more {
                self.doors[0].room.notify_one();
            }
            return;
        }
        for lane in (0..self.doors.len()).filter(wakes) {
            self.doors[lane].room.notify_one();
        }
    }

    fn wants(&self, state: &State, lane: usize) -> usize {
        state.lanes.wants(lane, self.slots - state.running, state.ahead)
    }

    /// The slot is free again.
    pub(crate) fn done(&self) {
        let mut state = self.state();
        state.running -= 1;
        self.tell(state);
    }

    /// Waits until it is worth asking the queue, and says for how many jobs. It counts as asked
    /// until [`asked`](Self::asked).
    pub(crate) async fn room(&self, queue: usize, ahead: usize) -> usize {
        let lane = self.state().lanes.lane(queue);
        let door = &self.doors[lane];
        let _turn = door.turn.lock().await;
        loop {
            let wanted = self.ask(lane, ahead);
            if wanted > 0 {
                return wanted;
            }
            door.room.notified().await;
        }
    }

    fn ask(&self, lane: usize, ahead: usize) -> usize {
        let mut state = self.state();
        state.ahead = ahead;
        let wanted = self.wants(&state, lane);
        match wanted {
            0 => state.lanes.is_unknown(lane),
            wanted if self.is_shared() => state.lanes.asks(lane, wanted),
            _ => {}
        }
        wanted
    }

    /// The queue has answered, or is not asked after all.
    pub(crate) fn asked(&self, queue: usize) {
        if self.is_shared() {
            let mut state = self.state();
            state.lanes.asked(queue);
            self.tell(state);
        }
    }

    /// The queue is being asked, and seems to have nothing; or cannot be asked.
    pub(crate) fn dry(&self, queue: usize) {
        if !self.is_shared() {
            return;
        }
        let mut state = self.state();
        state.lanes.is_dry(queue);
        let withheld = std::mem::take(&mut state.withheld);
        self.tell(state);
        self.jobs.add_permits(withheld);
    }

    /// Slots in use.
    pub(crate) fn running(&self) -> usize {
        self.state().running
    }

    /// Hands out no job any more; returns those that waited.
    pub(crate) fn close(&self) -> Vec<Arc<Held>> {
        let mut state = self.state();
        self.jobs.close();
        state.lanes.drain()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
