//! Make runs: those that are due, and extra runs for operators.

use std::collections::BTreeMap;

use naq_core::clock::Timestamp;
use naq_core::names::{JobKey, ScheduleName};
use naq_core::schedule::{ScheduleEntry, Seen, turn};
use naq_core::transport::{Evidence, Expect, Place};
use naq_core::wire::Envelope;

use crate::Prepared;
use crate::schedule::error::ScheduleError;
use crate::schedule::stored_schedule::StoredSchedule;
use crate::schedule::verbs::Schedules;

impl Schedules<'_> {
    /// Takes one turn of the schedule: makes the runs that are due. Returns when the next turn is
    /// due; `None` when no tick is left. The schedule's chore calls this. Any number of processes
    /// may do so at the same time, and each may crash at any point: each tick makes one run.
    ///
    /// The steps are: read the entry, read which runs exist, decide, publish, store the progress. A
    /// process that crashes before the last step leaves runs whose messages the next process finds.
    /// They exist as long as the run's record (an hour by default), and at least for the broker's
    /// dedup window.
    ///
    /// # Errors
    /// [`ScheduleError`]; the call may be repeated.
    pub async fn take_turn(&self, name: &ScheduleName) -> Result<Option<Timestamp>, ScheduleError> {
        loop {
            let Some(StoredSchedule { mut entry, revision }) = self.find(name).await? else {
                return Ok(None);
            };
            // All workers use the broker's clock, by which it also delivers the chore. A worker with
            // a wrong clock would decide ticks whose time has not come.
            let now = self.client.broker_now().await?;
            let set_back = entry.set_back(now);
            let due = entry.schedule.due(&entry.progress, now);
            if due.is_empty() && entry.progress.waiting.is_none() && !set_back {
                return Ok(entry.schedule.look_again(&entry.progress, now));
            }
            let seen = self.read_runs(&entry, &due).await?;
            let turn = turn(&entry.schedule, &entry.progress, &due, &seen, now);
            self.enqueue_runs(turn.runs.iter().map(|tick| entry.schedule.run(*tick, now))).await?;
            if turn.progress == entry.progress && !set_back {
                return Ok(turn.next);
            }
            entry.progress = turn.progress;
            if self.put(&entry, Expect::Revision(revision)).await?.is_some() {
                return Ok(turn.next);
            }
        }
    }

    /// Which ticks have made their run, and whether one of those runs or the last one has not ended.
    async fn read_runs(
        &self,
        entry: &ScheduleEntry,
        due: &[Timestamp],
    ) -> Result<Seen, ScheduleError> {
        let (schedule, progress) = (&entry.schedule, &entry.progress);
        let ticks: Vec<_> = progress.waiting.into_iter().chain(due.iter().copied()).collect();
        let last = progress.last.as_ref().map(|last| last.job.clone());
        let mut keys: Vec<_> = ticks.iter().map(|tick| schedule.run_key(*tick)).collect();
        for queue in &progress.former_queues {
            let run_key = |tick: &Timestamp| schedule.run_key_in(queue.clone(), *tick);
            keys.extend(ticks.iter().map(run_key));
        }
        let of_ticks = keys.len();
        keys.extend(last);
        let evidence = self.client.transport.evidence(&keys).await?;
        let made = ticks.iter().cycle().zip(keys.iter().zip(&evidence)).take(of_ticks);
        let made = made.filter(|(_, (_, evidence))| !evidence.is_empty());
        let begun: BTreeMap<_, _> = made.map(|(tick, (key, _))| (*tick, key.clone())).collect();
        Ok(Seen { begun, running: evidence.iter().any(|evidence| is_live(evidence)) })
    }

    /// Makes an extra run now, in addition to the runs of the ticks. It has its own id. The schedule
    /// does not count it, and neither pause nor overlap applies to it.
    ///
    /// # Errors
    /// [`ScheduleError`], such as [`ScheduleError::NotFound`].
    pub async fn run_now(&self, name: &ScheduleName) -> Result<JobKey, ScheduleError> {
        let found = self.find(name).await?;
        let found = found.ok_or_else(|| ScheduleError::NotFound(name.clone()))?;
        let run = found.entry.schedule.extra_run(self.client.broker_now().await?);
        let key = JobKey::new(run.queue.clone(), run.id.clone());
        self.enqueue_runs([run]).await?;
        Ok(key)
    }

    async fn enqueue_runs(
        &self,
        runs: impl IntoIterator<Item = Envelope>,
    ) -> Result<(), ScheduleError> {
        let runs = runs.into_iter().map(|run| Prepared::<serde_json::Value>::new(run, true));
        let runs = runs.map(|run| run.map(Prepared::sent_as_written));
        let runs = runs.collect::<Result<Vec<_>, _>>()?;
        for sent in self.client.enqueue_many(runs).await {
            // A duplicate is the same run, made by a faster process.
            sent?;
        }
        Ok(())
    }
}

/// True if a life of the job has not ended: it has a message that waits or runs, and no end.
fn is_live(evidence: &[Evidence]) -> bool {
    let is_end = |place| matches!(place, Place::Record | Place::Dead);
    evidence.iter().any(|live| {
        let mut ends = evidence.iter().filter(|message| is_end(message.place));
        !is_end(live.place) && !ends.any(|end| end.step.nonce == live.step.nonce)
    })
}
