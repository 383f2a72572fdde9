//! [`JobTimes`]: when a job is due, and until when it may start.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::wire::Envelope;

/// When a job is due.
#[derive(Debug, Clone, Copy)]
pub(super) enum Due {
    At(Timestamp),
    After(Duration),
}

/// The times of a job as the caller gave them. Spans become times when the job is written.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JobTimes {
    pub(super) due: Option<Due>,
    pub(super) deadline: Option<Timestamp>,
    pub(crate) expires_in: Option<Duration>,
}

impl JobTimes {
    /// The times of a job type: how long after it is due it may start.
    pub(super) fn of_type(expires_in: Option<Duration>) -> Self {
        Self { expires_in, ..Self::default() }
    }

    /// Whether a wrong clock would change what happens to the job.
    pub(super) fn need_a_clock(&self) -> bool {
        self.due.is_some() || self.expires_in.is_some()
    }

    /// Writes the times into a job that is enqueued at `now`.
    pub(super) fn write_to(&self, job: &mut Envelope, now: Timestamp) {
        job.enqueued_at = now;
        let due = self.due.map(|due| match due {
            Due::At(at) => at,
            Due::After(delay) => now + delay,
        });
        job.due_at = due.filter(|due| *due > now);
        let expires_at = self.expires_in.map(|span| job.due_at.unwrap_or(now) + span);
        job.deadline = self.deadline.into_iter().chain(expires_at).min();
    }

    /// Writes the times again into a job that was written by a clock which may be wrong.
    pub(super) fn rewrite(&self, job: &mut Envelope, now: Timestamp) {
        self.write_to(job, now);
        if let Some(depends) = &mut job.depends_on {
            depends.not_before = job.due_at.take();
        }
    }
}
