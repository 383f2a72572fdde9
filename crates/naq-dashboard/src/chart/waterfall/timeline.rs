//! [`JobTimeline`]: the facts about a job that its waterfall shows.

use naq_client::{JobReport, Run};
use naq_core::{Envelope, JobState, RetryPolicy, Timestamp};

/// One job at one time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobTimeline<'a> {
    pub(crate) job: &'a Envelope,
    pub(crate) state: JobState,
    /// When the job is due, if it waits.
    pub(crate) due_at: Option<Timestamp>,
    /// When the broker stored the job's current message.
    pub(crate) stored_at: Timestamp,
    /// How many parents the job waits for.
    pub(crate) blockers: usize,
    /// The attempt that a worker runs now.
    pub(crate) run: Option<&'a Run>,
    pub(crate) now: Timestamp,
}

impl<'a> JobTimeline<'a> {
    /// The timeline of a report; none if the body of its message is not a job.
    pub(crate) fn of(report: &'a JobReport, run: Option<&'a Run>, now: Timestamp) -> Option<Self> {
        Some(Self {
            job: report.envelope.as_ref()?,
            state: report.state,
            due_at: report.due_at,
            stored_at: report.stored.stored_at,
            blockers: report.waits_for.len(),
            run,
            now,
        })
    }

    pub(super) fn policy(&self) -> &'a RetryPolicy {
        &self.job.policy
    }

    pub(super) fn title(&self, attempt: u32) -> String {
        format!("Attempt {attempt} of {}", self.job.max_attempts())
    }
}
