//! [`ApartLine`]: the jobs with crashes in this process, those that run and those that wait for their
//! turn. `apart` in naq-core says whose turn it is.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use naq_core::flow::{Apart, ApartRun, CrashedJob, apart};
use naq_core::sync::lock;
use naq_core::{Envelope, Timestamp};
use tokio::sync::Notify;

use crate::delivery::HeldDelivery;

/// The jobs with crashes in this process. One that waits has a lease and no slot.
#[derive(Debug, Default)]
pub(crate) struct ApartLine {
    state: Mutex<LineState>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct LineState {
    running: Vec<RunningJob>,
    waiting: VecDeque<WaitingJob>,
    /// Was first in the line, and is on its way to a slot.
    called: Option<Arc<HeldDelivery>>,
}

#[derive(Debug)]
struct RunningJob {
    held: Arc<HeldDelivery>,
    run: ApartRun,
}

#[derive(Debug)]
struct WaitingJob {
    held: Arc<HeldDelivery>,
    job: CrashedJob,
}

/// Who is next in the line.
#[derive(Debug)]
pub(crate) enum NextApart {
    /// This job. It may go to a slot.
    Call(Arc<HeldDelivery>),
    /// No job before then. `None`: no job before the line changes.
    Wait(Option<Timestamp>),
}

impl ApartLine {
    /// Whether the job may start in the slot that it has. If not, it has left its slot, and waits here;
    /// or another task settles it.
    pub(crate) fn enter(&self, held: &Arc<HeldDelivery>, job: &Envelope, now: Timestamp) -> bool {
        if job.crashes == 0 {
            return true;
        }
        let job = CrashedJob { crashes: job.crashes, max_crashes: job.policy.max_crashes() };
        let mut state = self.state();
        let was_called = state.called.take_if(|called| Arc::ptr_eq(called, held)).is_some();
        let is_first = was_called || (state.waiting.is_empty() && state.called.is_none());
        if is_first && state.may_start(job, now) == Apart::Start {
            let run = ApartRun { job, since: now };
            state.running.push(RunningJob { held: held.clone(), run });
            drop(state);
            self.changed.notify_one();
            return true;
        }
        // First it leaves the slot: from then on it can be called.
        if held.leave_slot() {
            let waiting = WaitingJob { held: held.clone(), job };
            match was_called {
                true => state.waiting.push_front(waiting),
                false => state.waiting.push_back(waiting),
            }
        }
        drop(state);
        self.changed.notify_one();
        false
    }

    /// The delivery has left this worker.
    pub(crate) fn leave(&self, held: &Arc<HeldDelivery>) {
        let mut state = self.state();
        let before = state.len();
        state.running.retain(|running| !Arc::ptr_eq(&running.held, held));
        state.waiting.retain(|waiting| !Arc::ptr_eq(&waiting.held, held));
        state.called.take_if(|called| Arc::ptr_eq(called, held));
        let has_left = state.len() < before;
        drop(state);
        if has_left {
            self.changed.notify_one();
        }
    }

    /// Who is next. A job that is called leaves the line.
    pub(crate) fn next(&self, now: Timestamp) -> NextApart {
        let mut state = self.state();
        if state.called.is_some() {
            return NextApart::Wait(None);
        }
        let Some(first) = state.waiting.front() else { return NextApart::Wait(None) };
        match state.may_start(first.job, now) {
            Apart::Wait(until) => NextApart::Wait(until),
            Apart::Start => {
                let held = first.held.clone();
                state.waiting.pop_front();
                state.called = Some(held.clone());
                NextApart::Call(held)
            }
        }
    }

    /// Returns when the line has changed since the last call.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All jobs that wait. They leave the line.
    pub(crate) fn drain(&self) -> Vec<Arc<HeldDelivery>> {
        self.state().waiting.drain(..).map(|waiting| waiting.held).collect()
    }

    fn state(&self) -> MutexGuard<'_, LineState> {
        lock(&self.state)
    }
}

impl LineState {
    fn may_start(&self, job: CrashedJob, now: Timestamp) -> Apart {
        let running: Vec<_> = self.running.iter().map(|running| running.run).collect();
        apart(job, &running, now)
    }

    fn len(&self) -> usize {
        self.running.len() + self.waiting.len() + usize::from(self.called.is_some())
    }
}
