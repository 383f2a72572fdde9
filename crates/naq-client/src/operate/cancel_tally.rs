//! [`CancelTally`]: counts the jobs that a client has cancelled, for the statistics. Workers do
//! not count these ends.

use std::sync::{Mutex, MutexGuard};

use naq_core::clock::Timestamp;
use naq_core::names::{JobId, WorkerId};
use naq_core::stats::{Ending, Observation, Tally, Unwritten};
use naq_core::sync::lock;
use naq_core::transport::StatsStore;
use naq_core::wire::Envelope;

/// The counts of one client and its clones. Their reports have an id of their own.
#[derive(Debug)]
pub(crate) struct CancelTally {
    id: WorkerId,
    state: Mutex<CancelTallyState>,
}

#[derive(Debug, Default)]
struct CancelTallyState {
    tally: Tally,
    /// True while a caller writes reports. It also writes the counts that other callers add
    /// meanwhile. Only one caller writes at a time, so an older report never arrives last.
    has_writer: bool,
}

impl Default for CancelTally {
    fn default() -> Self {
        let id = WorkerId::new(format!("client-{}", JobId::random()));
        Self { id: id.unwrap_or_else(|err| panic!("{err}")), state: Mutex::default() }
    }
}

impl CancelTally {
    /// Counts a cancelled job, and writes the report. Best effort: the job is cancelled whether or
    /// not the write succeeds, and the next write includes the counts of a failed one.
    pub(crate) async fn count_cancel(
        &self,
        store: &dyn StatsStore,
        job: &Envelope,
        now: Timestamp,
    ) {
        let observation = Observation {
            queue: &job.queue,
            task: Some(&job.task),
            job: &job.id,
            attempt: job.attempt,
            crashes: 0,
            run: None,
            ending: Ending::Cancelled,
            error: None,
        };
        let Some(mut guard) = self.record(&observation, now) else { return };
        loop {
            let unwritten = guard.unwritten(now);
            for unwritten in &unwritten {
                if store.stats_put(&unwritten.report).await.is_err() {
                    return;
                }
                self.state().tally.written(unwritten);
            }
            if unwritten.is_empty() {
                return;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, CancelTallyState> {
        lock(&self.state)
    }

    /// Counts the observation. Returns a guard if no other caller is writing.
    fn record(&self, observation: &Observation<'_>, now: Timestamp) -> Option<WriteGuard<'_>> {
        let mut state = self.state();
        state.tally.record(observation, now);
        let taken = std::mem::replace(&mut state.has_writer, true);
        // Not `then_some`: it would also make a guard if `taken`, and drop it. That drop would lock
        // the state a second time: a deadlock.
        (!taken).then(|| WriteGuard { tally: self, has_ended: false })
    }
}

/// The right to write reports. Its drop passes the right on, also when the future is dropped at an
/// await.
struct WriteGuard<'a> {
    tally: &'a CancelTally,
    has_ended: bool,
}

impl WriteGuard<'_> {
    /// The reports to write. If there are none, this ends the guard under the same lock, so that
    /// the next caller that counts gets a guard.
    fn unwritten(&mut self, now: Timestamp) -> Vec<Unwritten> {
        let mut state = self.tally.state();
        let unwritten = state.tally.unwritten(&self.tally.id, env!("CARGO_PKG_VERSION"), now);
        self.has_ended = unwritten.is_empty();
        state.has_writer = !self.has_ended;
        unwritten
    }
}

impl Drop for WriteGuard<'_> {
    fn drop(&mut self) {
        if !self.has_ended {
            self.tally.state().has_writer = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use naq_core::names::QueueName;

    #[test]
    fn a_caller_that_counts_while_another_writes_continues_at_once() {
        let queue = QueueName::default();
        let job = JobId::random();
        let observation = Observation {
            queue: &queue,
            task: None,
            job: &job,
            attempt: 1,
            crashes: 0,
            run: None,
            ending: Ending::Cancelled,
            error: None,
        };
        let now = Timestamp::from_millis(1);
        let tally = CancelTally::default();
        let mut guard = tally.record(&observation, now).expect("no other caller writes");
        assert!(tally.record(&observation, now).is_none(), "the first caller writes");
        let written = guard.unwritten(now);
        assert_eq!(written[0].report.tasks[0].counts.cancelled, 2, "the writer writes both counts");
        drop(guard);
        assert!(tally.record(&observation, now).is_some(), "a dropped guard has ended");
    }
}
