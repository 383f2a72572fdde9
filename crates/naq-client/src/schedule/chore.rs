//! The chore of a schedule: one job of NAQ's own that the broker holds until the next tick.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;
use naq_core::names::{CHORES, JobId, QueueName, ScheduleName, TaskName};
use naq_core::retry::RetryPolicy;
use naq_core::schedule::{ScheduleEntry, ScheduleFault};
use naq_core::transport::{JobKey, Place, Receipt, Stored, Submission};
use naq_core::wire::{Envelope, Payload};
use serde::{Deserialize, Serialize};

use crate::schedule::store::Found;
use crate::schedule::{ScheduleError, Schedules};

/// Takes the turns of one schedule: the job of NAQ's own, one a schedule, that the broker holds until
/// the next tick, and that whichever worker gets it puts off to the tick after that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleChore {
    /// Whose turns.
    pub schedule: ScheduleName,
}

impl Job for ScheduleChore {
    const NAME: &'static str = "naq.tick";
    type Output = ();
}

/// Looks at a chore that moves all the time, before it is left as it is.
const LOOKS: usize = 20;
/// Two clocks that agree.
const CLOSE: Duration = Duration::from_millis(50);
/// Between two tries of a turn that failed.
const AGAIN: Duration = Duration::from_secs(5);

impl Schedules<'_> {
    /// Sees to it that every schedule has a chore which comes in time, and enqueues or hastens those
    /// that do not; says how many schedules there are. Every worker does so when it starts and now
    /// and then, since a chore can be lost: purged, or never enqueued by a process that died before.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn ensure_all(&self) -> Result<usize, ScheduleError> {
        let all = self.read_all().await?;
        for (name, stored) in &all {
            // One that cannot be read is left to those who can.
            let Ok(entry) = ScheduleEntry::decode(name, &stored.value) else { continue };
            self.ensure(&Found { entry, revision: stored.revision }, false).await?;
        }
        Ok(all.len())
    }

    /// Sees to it that the schedule's chore comes in time. One that runs at this moment may have
    /// read what stood there before: when that has `changed`, another takes its place.
    pub(super) async fn ensure(&self, found: &Found, changed: bool) -> Result<(), ScheduleError> {
        let (schedule, progress) = (&found.entry.schedule, &found.entry.progress);
        let transport = &self.client.transport;
        let key = chore_key(&schedule.name);
        for _ in 0..LOOKS {
            let clock = self.client.broker_clock().await?;
            let Some(due) = schedule.look_again(progress, clock.now) else { return Ok(()) };
            let (due, now) = (clock.ours(due), self.client.clock.now());
            let messages = transport.locate(&key).await?;
            let at = |place| messages.iter().find(|stored| stored.place == place);
            let sent = match (at(Place::Queue), at(Place::Schedule)) {
                (Some(runs), None) if !(changed && runs.delivered) => return Ok(()),
                (Some(runs), None) => self.supersede(runs, found.revision).await?,
                (_, Some(waits)) if waits.due_at.is_some_and(|at| at <= due + CLOSE) => {
                    return Ok(());
                }
                // Not released: its time came meanwhile.
                (_, Some(waits)) => transport.release(waits).await?,
                (None, None) => {
                    let job = self.chore(&schedule.name, now)?;
                    self.send(job, Some(due).filter(|due| *due > now), true).await?
                }
            };
            if sent {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Puts a newer message of the same life behind the one that runs, and then takes that away: what
    /// it still writes is refused, as of a worker that lost its lease. Whoever dies in between leaves
    /// two that become one when they wait.
    async fn supersede(&self, runs: &Stored, revision: u64) -> Result<bool, ScheduleError> {
        let mut job = runs.envelope().map_err(ScheduleFault::from)?;
        job.snoozes = job.snoozes.saturating_add(1);
        let dedup = format!("{}/{revision}", job.step());
        self.publish(job, None, dedup, false).await?;
        self.client.transport.remove(runs).await?;
        Ok(true)
    }

    async fn send(
        &self,
        job: Envelope,
        due_at: Option<Timestamp>,
        unique: bool,
    ) -> Result<bool, ScheduleError> {
        let dedup = format!("{}/{}", job.id, job.nonce);
        self.publish(job, due_at, dedup, unique).await
    }

    async fn publish(
        &self,
        mut job: Envelope,
        due_at: Option<Timestamp>,
        dedup: String,
        unique: bool,
    ) -> Result<bool, ScheduleError> {
        job.due_at = due_at;
        let message = job.to_message().map_err(ScheduleFault::from)?;
        let key = JobKey { queue: job.queue, id: job.id };
        let submission = Submission { key, due_at, dedup, unique, message };
        let receipt = self.client.transport.publish(submission).await?;
        // Where another has sent one, it may be due at another time: look again.
        Ok(!unique || receipt != Receipt::Duplicate)
    }

    /// A fresh chore. It fails only while the broker does, and must outlive that and any crash; it
    /// leaves no record, since a repeated turn does no harm.
    fn chore(&self, name: &ScheduleName, now: Timestamp) -> Result<Envelope, ScheduleError> {
        let key = chore_key(name);
        let task = TaskName::new(ScheduleChore::NAME)?;
        let args = Payload::encode(self.client.codec, &ScheduleChore { schedule: name.clone() })
            .map_err(ScheduleFault::from)?;
        let mut job = Envelope::new(key.queue, key.id, task, args, now);
        job.policy = RetryPolicy::builder()
            .max_retries(u32::MAX)
            .max_crashes(u32::MAX)
            .delay(AGAIN)
            .try_build()
            .map_err(|err| ScheduleFault::Option(err.to_string()))?;
        job.record_ttl = Duration::ZERO;
        Ok(job)
    }

    /// Removes the chore that waits; one that runs ends by itself, as it finds no schedule.
    pub(super) async fn remove_chore(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        let messages = self.client.transport.locate(&chore_key(name)).await?;
        for waits in messages.iter().filter(|stored| stored.place == Place::Schedule) {
            self.client.transport.remove(waits).await?;
        }
        Ok(())
    }
}

/// The chore of the schedule of this name.
fn chore_key(name: &ScheduleName) -> JobKey {
    // A schedule's name leaves room for it.
    let id = JobId::new(format!("tick-{name}")).unwrap_or_else(|_| JobId::random());
    JobKey { queue: QueueName::new(CHORES).unwrap_or_default(), id }
}
