//! [`ReadyDeliveries`]: the jobs that wait for a slot, and the number of slots in use. [`Lanes`]
//! says which job is next.

use std::sync::{Arc, Mutex, MutexGuard};

use naq_core::sync::lock;
use tokio::sync::{Notify, Semaphore};

use super::lanes::{Lanes, Sharing};
use super::settle_window::SettleWindow;
use crate::delivery::HeldDelivery;

/// The jobs that wait for a slot, and the number of slots in use.
#[derive(Debug)]
pub(crate) struct ReadyDeliveries {
    slots: usize,
    sharing: Sharing,
    state: Mutex<ReadyState>,
    /// One permit for each waiting job. A free slot waits here for a permit.
    jobs: Semaphore,
    lane_waiters: Vec<LaneWaiters>,
}

/// The fetch loops of a lane wait here, in turn, until one of them should fetch.
#[derive(Debug, Default)]
struct LaneWaiters {
    /// Notified when the lane may need more jobs.
    room: Notify,
    /// Locked by the fetch loop that may fetch next. Without this lock the same loop would always
    /// be the first to see that there is room.
    fetch_order: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct ReadyState {
    lanes: Lanes<Arc<HeldDelivery>>,
    running: usize,
    settle_window: SettleWindow,
    /// Jobs that may wait although no slot is free.
    ahead: usize,
    /// Permits whose jobs must not start yet: with strict priority because a queue of higher priority
    /// may have a job, and in an outage because outcomes are not stored. They are added again when
    /// that is over.
    deferred_permits: usize,
}

impl ReadyDeliveries {
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
            lane_waiters: (0..lanes.count()).map(|_| LaneWaiters::default()).collect(),
            state: Mutex::new(ReadyState {
                lanes,
                running: 0,
                settle_window: SettleWindow::default(),
                ahead: 0,
                deferred_permits: 0,
            }),
            jobs: Semaphore::new(0),
        }
    }

    /// Whether queues have weights or priorities. Then the choice of the next job depends on which
    /// queues are empty.
    pub(crate) fn is_shared(&self) -> bool {
        self.sharing != Sharing::FirstCome
    }

    /// Adds jobs of a queue. Returns them as the error when the worker stops.
    pub(crate) fn push(
        &self,
        queue: usize,
        batch: Vec<Arc<HeldDelivery>>,
    ) -> Result<(), Vec<Arc<HeldDelivery>>> {
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

    /// The next job. The slot that gets it is in use until [`slot_freed`](Self::slot_freed). None
    /// once closed.
    pub(crate) async fn next(&self) -> Option<Arc<HeldDelivery>> {
        loop {
            self.jobs.acquire().await.ok()?.forget();
            let job = self.pop();
            if job.is_some() {
                return job;
            }
        }
    }

    fn pop(&self) -> Option<Arc<HeldDelivery>> {
        let mut state = self.state();
        if state.settle_window.free(self.slots, state.running) == 0 {
            state.deferred_permits += 1;
            return None;
        }
        let next = state.lanes.pop();
        if next.is_none() && state.lanes.waiting() > 0 {
            state.deferred_permits += 1;
        }
        // A job that was given back meanwhile is skipped.
        let job = next.filter(|held| held.enter_slot());
        state.running += usize::from(job.is_some());
        self.wake_fetch_loops(state);
        job
    }

    /// Unlocks the state, and wakes the fetch loops that should fetch.
    fn wake_fetch_loops(&self, state: MutexGuard<'_, ReadyState>) {
        let wakes =
            |lane: &usize| !state.lanes.is_fetching(*lane) && self.fetch_size(&state, *lane) > 0;
        if !self.is_shared() {
            let more = self.fetch_size(&state, 0) > 0;
            drop(state);
            if more {
                self.lane_waiters[0].room.notify_one();
            }
            return;
        }
        for lane in (0..self.lane_waiters.len()).filter(wakes) {
            self.lane_waiters[lane].room.notify_one();
        }
    }

    fn fetch_size(&self, state: &ReadyState, lane: usize) -> usize {
        let free = state.settle_window.free(self.slots, state.running);
        state.lanes.fetch_size(lane, free, state.settle_window.ahead(state.ahead))
    }

    /// The slot is free again.
    pub(crate) fn slot_freed(&self) {
        let mut state = self.state();
        state.running -= 1;
        self.room_may_have_grown(state);
    }

    /// A settlement begins. Call it before the slot is free.
    pub(crate) fn settle_began(&self) {
        self.state().settle_window.begin();
    }

    /// A settlement does not end soon: until it does, its job keeps a slot.
    pub(crate) fn settle_delayed(&self) {
        self.state().settle_window.delayed();
    }

    /// A settlement has ended.
    pub(crate) fn settle_ended(&self, was_delayed: bool) {
        let mut state = self.state();
        state.settle_window.end(was_delayed);
        self.room_may_have_grown(state);
    }

    /// Whether no job may start because outcomes are not stored, although a slot is free.
    pub(crate) fn waits_for_settlements(&self) -> bool {
        let state = self.state();
        state.running < self.slots && state.settle_window.free(self.slots, state.running) == 0
    }

    fn room_may_have_grown(&self, mut state: MutexGuard<'_, ReadyState>) {
        let free = state.settle_window.free(self.slots, state.running);
        let permits = state.deferred_permits.min(free);
        state.deferred_permits -= permits;
        self.wake_fetch_loops(state);
        self.jobs.add_permits(permits);
    }

    /// Waits until the queue should be asked for jobs, and returns for how many. The call of
    /// [`fetch_ended`](Self::fetch_ended) ends this request.
    pub(crate) async fn wait_for_room(&self, queue: usize, ahead: usize) -> usize {
        let lane = self.state().lanes.lane(queue);
        let lane_waiters = &self.lane_waiters[lane];
        let _turn = lane_waiters.fetch_order.lock().await;
        loop {
            let wanted = self.start_fetch(lane, ahead);
            if wanted > 0 {
                return wanted;
            }
            lane_waiters.room.notified().await;
        }
    }

    fn start_fetch(&self, lane: usize, ahead: usize) -> usize {
        let mut state = self.state();
        state.ahead = ahead;
        let wanted = self.fetch_size(&state, lane);
        match wanted {
            0 => state.lanes.mark_unknown(lane),
            wanted if self.is_shared() => state.lanes.fetch_started(lane, wanted),
            _ => {}
        }
        wanted
    }

    /// The queue has answered, or was not asked after all.
    pub(crate) fn fetch_ended(&self, queue: usize) {
        if self.is_shared() {
            let mut state = self.state();
            state.lanes.fetch_ended(queue);
            self.wake_fetch_loops(state);
        }
    }

    /// The queue seems to be empty, or cannot be asked.
    pub(crate) fn queue_empty(&self, queue: usize) {
        if !self.is_shared() {
            return;
        }
        let mut state = self.state();
        state.lanes.mark_empty(queue);
        let deferred_permits = std::mem::take(&mut state.deferred_permits);
        self.wake_fetch_loops(state);
        self.jobs.add_permits(deferred_permits);
    }

    /// The number of slots in use.
    pub(crate) fn running(&self) -> usize {
        self.state().running
    }

    /// Stops handing out jobs, and returns those that waited.
    pub(crate) fn close(&self) -> Vec<Arc<HeldDelivery>> {
        let mut state = self.state();
        self.jobs.close();
        state.lanes.drain()
    }

    fn state(&self) -> MutexGuard<'_, ReadyState> {
        lock(&self.state)
    }
}
