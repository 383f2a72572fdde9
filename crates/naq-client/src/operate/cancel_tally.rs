//! [`Told`]: the ends of jobs that no worker sees, since a client made them: those it cancelled.

use std::sync::{Mutex, MutexGuard, PoisonError};

use naq_core::clock::Timestamp;
use naq_core::names::{JobId, WorkerId};
use naq_core::stats::{Ending, Observation, Tally, Unwritten};
use naq_core::wire::Envelope;

use crate::Client;

/// What this client and its clones have counted, under an id of their own.
#[derive(Debug)]
pub(crate) struct Told {
    id: WorkerId,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    /// Somebody writes, and looks again before he ends: an older report must not come last.
    is_written: bool,
}

impl Default for Told {
    fn default() -> Self {
        let id = WorkerId::new(format!("client-{}", JobId::random()));
        Self { id: id.unwrap_or_else(|err| panic!("{err}")), state: Mutex::default() }
    }
}

impl Told {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts; gives the turn to write where nobody has it.
    fn count(&self, seen: &Observation<'_>, now: Timestamp) -> Option<Turn<'_>> {
        let mut state = self.state();
        state.tally.record(seen, now);
        let taken = std::mem::replace(&mut state.is_written, true);
        // Not `then_some`: a turn that is made is dropped, and its drop wants the lock held here.
        (!taken).then(|| Turn { told: self, has_ended: false })
    }
}

/// The turn to write. The next one may, also when this one is dropped at its await.
struct Turn<'a> {
    told: &'a Told,
    has_ended: bool,
}

impl Turn<'_> {
    /// What is to be written. When there is nothing, the turn has ended, in the same breath: whoever
    /// counts from now on writes it himself.
    fn unwritten(&mut self, now: Timestamp) -> Vec<Unwritten> {
        let mut state = self.told.state();
        let unwritten = state.tally.unwritten(&self.told.id, env!("CARGO_PKG_VERSION"), now);
        self.has_ended = unwritten.is_empty();
        state.is_written = !self.has_ended;
        unwritten
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.told.state().is_written = false;
        }
    }
}

impl Client {
    /// Counts a job that this client has cancelled. Best effort: it is cancelled whether or not this
    /// can be written, and what cannot be is written with the next one.
    pub(crate) async fn tell_of_cancel(&self, job: &Envelope) {
        let now = self.clock.now();
        let (attempt, crashes, run, error) = (job.attempt, 0, None, None);
        let seen = Observation {
            queue: &job.queue,
            task: Some(&job.task),
            job: &job.id,
            attempt,
            crashes,
            run,
            ending: Ending::Cancelled,
            error,
        };
        let Some(mut turn) = self.told.count(&seen, now) else { return };
        loop {
            let unwritten = turn.unwritten(now);
            for unwritten in &unwritten {
                if self.transport.stats_put(&unwritten.report).await.is_err() {
                    return;
                }
                self.told.state().tally.written(unwritten);
            }
            if unwritten.is_empty() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naq_core::names::QueueName;

    #[test]
    fn whoever_counts_while_another_writes_goes_on_at_once() {
        let (queue, job) = (QueueName::default(), JobId::random());
        let (attempt, crashes, run, error) = (1, 0, None, None);
        let ending = Ending::Cancelled;
        let (queue, job) = (&queue, &job);
        let seen = Observation { queue, task: None, job, attempt, crashes, run, ending, error };
        let now = Timestamp::from_millis(1);
        let told = Told::default();
        let mut turn = told.count(&seen, now).expect("nobody writes");
        assert!(told.count(&seen, now).is_none(), "somebody does");
        let written = turn.unwritten(now);
        assert_eq!(written[0].report.tasks[0].counts.cancelled, 2, "who writes writes both");
        drop(turn);
        assert!(told.count(&seen, now).is_some(), "a turn that was dropped has ended");
    }
}
