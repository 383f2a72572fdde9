//! Runs: those of a turn, and those that somebody asks for.

use std::collections::BTreeMap;

use naq_core::clock::Timestamp;
use naq_core::names::ScheduleName;
use naq_core::schedule::{ScheduleEntry, Seen, turn};
use naq_core::transport::{Evidence, Expect, JobKey, Place};
use naq_core::wire::Envelope;

use crate::Prepared;
use crate::schedule::store::Found;
use crate::schedule::{ScheduleError, Schedules};

impl Schedules<'_> {
    /// Takes the schedule's turn: makes the runs that are due, and returns when it has to be looked
    /// at again; none when nothing is to come. What the chore of a schedule does. Any number of
    /// processes may do it at once, and a process may die anywhere in it: each tick makes one run.
    ///
    /// The order is: read, look which runs are there, decide, publish, write down. Whoever dies
    /// before the last step leaves runs whose traces the next one finds. Such a trace lasts as long
    /// as the run's record (an hour unless the job says otherwise), and in the broker's dedup window
    /// at least.
    ///
    /// # Errors
    /// [`ScheduleError`]; it may be repeated.
    pub async fn take_turn(&self, name: &ScheduleName) -> Result<Option<Timestamp>, ScheduleError> {
        loop {
            let Some(Found { mut entry, revision }) = self.find(name).await? else {
                return Ok(None);
            };
            // All workers go by one clock, that by which the broker delivers the chore: one whose own
            // is wrong would decide ticks that are still to come, for everybody.
            let clock = self.client.broker_clock().await?;
            let now = clock.now;
            let due = entry.schedule.due(&entry.progress, now);
            if due.is_empty() && entry.progress.waiting.is_none() {
                return Ok(entry
                    .schedule
                    .look_again(&entry.progress, now)
                    .map(|at| clock.ours(at)));
            }
            let seen = self.look(&entry, &due).await?;
            let turn = turn(&entry.schedule, &entry.progress, &due, &seen, now);
            let next = turn.next.map(|at| clock.ours(at));
            let runs = turn.runs.iter().map(|tick| {
                let mut run = entry.schedule.run(*tick, now);
                run.due_at = run.due_at.map(|at| clock.ours(at));
                run
            });
            self.send_runs(runs).await?;
            if turn.progress == entry.progress {
                return Ok(next);
            }
            entry.progress = turn.progress;
            if self.put(&entry, Expect::Revision(revision)).await?.is_some() {
                return Ok(next);
            }
        }
    }

    /// Which of the ticks have made their run already, and whether one of those or the last goes on.
    async fn look(&self, entry: &ScheduleEntry, due: &[Timestamp]) -> Result<Seen, ScheduleError> {
        let (schedule, progress) = (&entry.schedule, &entry.progress);
        let ticks: Vec<_> = progress.waiting.into_iter().chain(due.iter().copied()).collect();
        let last = progress.last.as_ref().map(|last| last.job.clone());
        let mut keys: Vec<_> = ticks.iter().map(|tick| schedule.run_key(*tick)).collect();
        for queue in &progress.former_queues {
            let there = |tick: &Timestamp| schedule.run_key_in(queue.clone(), *tick);
            keys.extend(ticks.iter().map(there));
        }
        let of_ticks = keys.len();
        keys.extend(last);
        let evidence = self.client.transport.evidence(&keys).await?;
        let made = ticks.iter().cycle().zip(keys.iter().zip(&evidence)).take(of_ticks);
        let made = made.filter(|(_, (_, traces))| !traces.is_empty());
        let begun: BTreeMap<_, _> = made.map(|(tick, (key, _))| (*tick, key.clone())).collect();
        Ok(Seen { begun, running: evidence.iter().any(|traces| goes_on(traces)) })
    }

    /// Makes a run now, beside those of the ticks: it has an id of its own, is not counted, and
    /// neither pause nor overlap hold it back.
    ///
    /// # Errors
    /// [`ScheduleError::NotFound`] and others.
    pub async fn run_now(&self, name: &ScheduleName) -> Result<JobKey, ScheduleError> {
        let found = self.find(name).await?;
        let found = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?;
        let run = found.entry.schedule.extra_run(self.client.clock.now());
        let key = JobKey { queue: run.queue.clone(), id: run.id.clone() };
        self.send_runs([run]).await?;
        Ok(key)
    }

    async fn send_runs(
        &self,
        runs: impl IntoIterator<Item = Envelope>,
    ) -> Result<(), ScheduleError> {
        let runs = runs.into_iter().map(|run| Prepared::<serde_json::Value>::new(run, true));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        for sent in self.client.enqueue_many(runs).await {
            // A duplicate is this very run, made by somebody who was faster.
            sent?;
        }
        Ok(())
    }
}

/// Whether a life of the job is on its way: it waits or runs, and nothing says that it has ended.
fn goes_on(traces: &[Evidence]) -> bool {
    let is_end = |place| matches!(place, Place::Record | Place::Dead);
    traces.iter().any(|live| {
        let mut ends = traces.iter().filter(|trace| is_end(trace.place));
        !is_end(live.place) && !ends.any(|end| end.step.nonce == live.step.nonce)
    })
}
