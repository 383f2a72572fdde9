//! [`Tick`]: a time at which a schedule is due, and the run that it makes.

use super::{Progress, Schedule};
use crate::clock::Timestamp;
use crate::names::{JobId, JobKey, QueueName, ScheduleName};
use crate::retry::spread;
use crate::wire::{Envelope, Nonce};

/// A time at which a schedule is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
pub struct Tick {
    /// The time by the schedule. The id of the run has it.
    pub at: Timestamp,
    /// When the run starts: that time plus the jitter of this tick.
    pub starts_at: Timestamp,
}

/// The time as `20261124T030000Z`, with milliseconds if they are not zero.
fn compact(at: Timestamp) -> String {
    let text = at.to_string();
    let text = text.strip_suffix(".000Z").map_or(text.clone(), |whole| format!("{whole}Z"));
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// The id of the run that this tick makes: `nightly-20261124T030000Z`.
fn run_id(name: &ScheduleName, tick: Timestamp) -> JobId {
    // The name of a schedule is short enough for this.
    JobId::new(format!("{name}-{}", compact(tick))).unwrap_or_else(|_| JobId::random())
}

impl Schedule {
    /// The tick at this time. Its jitter depends only on the name of the schedule and this time, so that
    /// every program computes the same.
    pub fn tick(&self, at: Timestamp) -> Tick {
        let late = spread(run_id(&self.name, at).as_str(), self.jitter);
        Tick { at, starts_at: at + late }
    }

    /// The next `n` ticks that will make a run, from what is known now. A pause does not count.
    pub fn upcoming(&self, progress: &Progress, now: Timestamp, n: usize) -> Vec<Tick> {
        let left = self.runs_left(progress);
        let mut ticks = Vec::new();
        let mut last = now.max(progress.decided_until);
        while ticks.len() < n && (ticks.len() as u64) < left {
            let Some(next) = self.next_after(last) else { break };
            ticks.push(self.tick(next));
            last = next;
        }
        ticks
    }

    /// The key of the job that the tick at this time makes.
    pub fn run_key(&self, tick: Timestamp) -> JobKey {
        self.run_key_in(self.job.queue().clone(), tick)
    }

    /// The key of that job, if the runs went to this queue.
    pub fn run_key_in(&self, queue: QueueName, tick: Timestamp) -> JobKey {
        JobKey { queue, id: run_id(&self.name, tick) }
    }

    /// The run of a tick, as a job. The same tick gives the same life of the same job.
    pub fn run(&self, tick: Tick, now: Timestamp) -> Envelope {
        self.copy(run_id(&self.name, tick.at), Nonce::from_tick(tick.at), tick.starts_at, now)
    }

    /// A run without a tick, due at once.
    pub fn extra_run(&self, now: Timestamp) -> Envelope {
        let nonce = Nonce::random();
        let id = JobId::new(format!("{}-run-{nonce}", self.name));
        self.copy(id.unwrap_or_else(|_| JobId::random()), nonce, now, now)
    }

    fn copy(&self, id: JobId, nonce: Nonce, starts_at: Timestamp, now: Timestamp) -> Envelope {
        let mut job = self.job.envelope().clone();
        job.id = id;
        job.nonce = nonce;
        job.enqueued_at = now;
        job.due_at = Some(starts_at).filter(|at| *at > now);
        job.deadline = self.start_within.map(|within| starts_at + within);
        job.tags.push(self.tag());
        job
    }

    /// The tag of all its runs: `schedule:nightly`.
    pub fn tag(&self) -> String {
        format!("schedule:{}", self.name)
    }
}
