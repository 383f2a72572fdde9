//! [`Observed`]: what came of a job, read off its history.

use std::time::Duration;

use naq::retry::Rule;
use naq::wire::{AttemptOutcome, AttemptRecord};
use naq::{JobReport, JobState};

/// What the broker knows of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// Where it stands.
    pub state: JobState,
    /// Attempts that ran and count.
    pub attempts: u32,
    /// The waits between them.
    pub waits: Vec<MeasuredWait>,
    /// The rule that took the last decision.
    pub rule: Option<Rule>,
    /// What the handler returned.
    pub result: Option<String>,
}

/// A wait that is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredWait {
    /// The delay that was decided on.
    pub planned: Duration,
    /// From the end of one attempt to the start of the next.
    pub measured: Duration,
}

impl Observed {
    /// Reads a report.
    pub fn of(report: &JobReport) -> Self {
        let history = report.envelope.as_ref().map_or(&[][..], |job| &job.history);
        let counted = history.iter().filter(|record| counts(record.outcome)).count();
        Self {
            state: report.state,
            attempts: u32::try_from(counted).unwrap_or(u32::MAX),
            waits: history.windows(2).filter_map(|pair| wait(&pair[0], &pair[1])).collect(),
            rule: history.last().and_then(|record| record.rule),
            result: report.result.as_ref().and_then(|result| result.decode().ok()),
        }
    }
}

impl MeasuredWait {
    /// By how much it was longer than planned.
    pub fn lateness(&self) -> Duration {
        self.measured.saturating_sub(self.planned)
    }
}

/// Snoozes and crashes are no attempts.
fn counts(outcome: AttemptOutcome) -> bool {
    matches!(
        outcome,
        AttemptOutcome::Completed | AttemptOutcome::Failed | AttemptOutcome::Cancelled
    )
}

fn wait(before: &AttemptRecord, after: &AttemptRecord) -> Option<MeasuredWait> {
    Some(MeasuredWait {
        planned: Duration::from_millis(before.delay_ms?),
        measured: after.started_at?.since(before.ended_at?),
    })
}
