//! [`Observed`]: how a job ended, read from its history.

use std::time::Duration;

use naq::retry::Rule;
use naq::wire::{AttemptOutcome, AttemptRecord};
use naq::{JobReport, JobState};

/// What the broker knows of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The job's state.
    pub state: JobState,
    /// Attempts that count.
    pub attempts: u32,
    /// The waits between them.
    pub waits: Vec<MeasuredWait>,
    /// The rule of the last decision.
    pub rule: Option<Rule>,
    /// What the handler returned.
    pub result: Option<String>,
}

/// A wait that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeasuredWait {
    /// The delay that NAQ decided.
    pub planned: Duration,
    /// From the end of one attempt to the start of the next.
    pub measured: Duration,
}

impl Observed {
    /// Reads a report.
    pub fn of(report: &JobReport) -> Self {
        let history = report.envelope.as_ref().map_or(&[][..], |job| &job.history);
        let counted = history.iter().filter(|record| is_attempt(record.outcome)).count();
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
    /// How much longer it was than planned.
    pub fn lateness(&self) -> Duration {
        self.measured.saturating_sub(self.planned)
    }
}

/// Snoozes and crashes are not attempts.
fn is_attempt(outcome: AttemptOutcome) -> bool {
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
