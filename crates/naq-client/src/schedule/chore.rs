//! [`ScheduleChore`]: the chore that makes the runs of a schedule.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::job::Job;
use naq_core::names::{CHORES, JobId, JobKey, QueueName, ScheduleName, TaskName};
use naq_core::retry::RetryPolicy;
use naq_core::schedule::{ScheduleEntry, ScheduleFault};
use naq_core::transport::{Place, Receipt, Stored, Submission};
use naq_core::wire::{Envelope, Payload};
use serde::{Deserialize, Serialize};

use crate::schedule::error::ScheduleError;
use crate::schedule::stored_schedule::StoredSchedule;
use crate::schedule::verbs::Schedules;

/// Takes the turns of one schedule. Each schedule has one chore, a job of NAQ's own. The broker
/// holds it until the next tick. Then a worker gets it, makes the run, and schedules the chore again for
/// the tick after that.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ScheduleChore {
    /// The schedule.
    pub schedule: ScheduleName,
}

impl Job for ScheduleChore {
    const NAME: &'static str = "naq.tick";
    type Output = ();
}

/// How many times [`Schedules::ensure_chore`] reads a chore that changes each time, before it gives up.
const MAX_READS: usize = 20;
/// A difference between two clocks that does not matter.
const CLOCK_TOLERANCE: Duration = Duration::from_millis(50);
/// The delay before a turn that failed is retried.
const RETRY_DELAY: Duration = Duration::from_secs(5);

impl Schedules<'_> {
    /// Makes sure that every schedule has a chore that is due in time: enqueues chores that are
    /// missing, and moves those that are due too late. Returns the number of schedules. Every worker
    /// calls this when it starts and regularly after that, because a chore can be lost: a user may purge it, or
    /// the process that registered the schedule may crash before it enqueues the chore.
    ///
    /// # Errors
    /// [`ScheduleError::Transport`].
    pub async fn ensure_all(&self) -> Result<usize, ScheduleError> {
        let all = self.read_all().await?;
        let now = self.client.broker_now().await.map_err(ScheduleError::from)?;
        for (name, stored) in &all {
            // Workers of another version make sure of a schedule that this one cannot read.
            let Ok(mut entry) = ScheduleEntry::decode(name, &stored.value) else { continue };
            // The chore is then due now, and stores the corrected progress.
            entry.set_back(now);
            self.ensure_chore(&StoredSchedule { entry, revision: stored.revision }, false).await?;
        }
        Ok(all.len())
    }

    /// Makes sure that the schedule's chore is due in time. A chore that runs at this moment may have
    /// read the entry before this process `changed` it. In that case this replaces the chore.
    pub(super) async fn ensure_chore(
        &self,
        found: &StoredSchedule,
        changed: bool,
    ) -> Result<(), ScheduleError> {
        let schedule = &found.entry.schedule;
        let progress = &found.entry.progress;
        let transport = &self.client.transport;
        let key = chore_key(&schedule.name);
        for _ in 0..MAX_READS {
            let now = self.client.broker_now().await?;
            let Some(due) = schedule.look_again(progress, now) else { return Ok(()) };
            let messages = transport.locate(&key).await?;
            let at = |place| messages.iter().find(|stored| stored.place == place);
            let sent = match (at(Place::Queue), at(Place::Schedule)) {
                (Some(running), None) if !(changed && running.delivered) => return Ok(()),
                (Some(running), None) => self.replace_running(running, found.revision).await?,
                (_, Some(waiting))
                    if waiting.due_at.is_some_and(|at| at <= due + CLOCK_TOLERANCE) =>
                {
                    return Ok(());
                }
                // False if the chore has become due meanwhile.
                (_, Some(waiting)) => transport.release(waiting).await?,
                (None, None) => {
                    let job = self.new_chore(&schedule.name, now)?;
                    self.enqueue_chore(job, Some(due).filter(|due| *due > now), true).await?
                }
            };
            if sent {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Publishes a newer message of the same life, and then removes the one that runs. The broker
    /// then refuses the facts of the running chore, as it does for a worker that lost its lease. A
    /// crash between the two steps leaves two messages. They become one on the schedule subject, which
    /// keeps one message.
    async fn replace_running(
        &self,
        running: &Stored,
        revision: u64,
    ) -> Result<bool, ScheduleError> {
        let mut job = running.envelope().map_err(ScheduleFault::from)?;
        job.snoozes = job.snoozes.saturating_add(1);
        let dedup = format!("{}/{revision}", job.step());
        self.publish_chore(job, None, dedup, false).await?;
        self.client.transport.remove(running).await?;
        Ok(true)
    }

    async fn enqueue_chore(
        &self,
        job: Envelope,
        due_at: Option<Timestamp>,
        unique: bool,
    ) -> Result<bool, ScheduleError> {
        let dedup = format!("{}/{}", job.id, job.nonce);
        self.publish_chore(job, due_at, dedup, unique).await
    }

    async fn publish_chore(
        &self,
        mut job: Envelope,
        due_at: Option<Timestamp>,
        dedup: String,
        unique: bool,
    ) -> Result<bool, ScheduleError> {
        job.due_at = due_at;
        let message = job.to_message().map_err(ScheduleFault::from)?;
        let key = JobKey::new(job.queue, job.id);
        let submission = Submission { key, due_at, dedup, unique, message };
        let receipt = self.client.transport.publish(submission).await?;
        // A chore that another process has enqueued may be due at another time: read it again.
        Ok(!unique || receipt != Receipt::Duplicate)
    }

    /// A new chore. Its retries have no limit, because it fails only while the broker fails or
    /// a worker crashes, and the schedule needs it afterwards. It keeps no record, because a repeated turn does
    /// no harm.
    fn new_chore(&self, name: &ScheduleName, now: Timestamp) -> Result<Envelope, ScheduleError> {
        let key = chore_key(name);
        let task = TaskName::new(ScheduleChore::NAME)?;
        let args = Payload::encode(self.client.codec, &ScheduleChore { schedule: name.clone() })
            .map_err(ScheduleFault::from)?;
        let mut job = Envelope::new(key.queue, key.id, task, args, now);
        job.policy = RetryPolicy::builder()
            .max_retries(u32::MAX)
            .max_crashes(u32::MAX)
            .delay(RETRY_DELAY)
            .try_build()
            .map_err(|err| ScheduleFault::Option(err.to_string()))?;
        job.record_ttl = Duration::ZERO;
        Ok(job)
    }

    /// Removes a chore that waits. A chore that runs ends by itself, because it finds no schedule.
    pub(super) async fn remove_chore(&self, name: &ScheduleName) -> Result<(), ScheduleError> {
        let messages = self.client.transport.locate(&chore_key(name)).await?;
        for waiting in messages.iter().filter(|stored| stored.place == Place::Schedule) {
            self.client.transport.remove(waiting).await?;
        }
        Ok(())
    }
}

/// The key of a schedule's chore.
fn chore_key(name: &ScheduleName) -> JobKey {
    // The longest schedule name is short enough for this.
    let id = JobId::new(format!("tick-{name}")).unwrap_or_else(|_| JobId::random());
    JobKey::new(QueueName::new(CHORES).unwrap_or_default(), id)
}
