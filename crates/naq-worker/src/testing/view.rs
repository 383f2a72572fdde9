//! [`JobView`]: a job, with assertions.

use std::fmt::{Display, Write};
use std::time::Duration;

use naq_client::JobReport;
use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::AttemptOutcome;
use naq_core::{AttemptRecord, ErrorKind, JobState, Timestamp};
use serde::de::DeserializeOwned;

/// A job at the moment it was asked for. Assertions can be chained. Each panics with the job's
/// whole history when it does not hold.
#[derive(Debug, Clone)]
pub struct JobView {
    report: JobReport,
    now: Timestamp,
}

/// The job after this fact.
pub(super) fn of_fact(fact: &Fact, at: Timestamp) -> Option<JobReport> {
    let (place, due_at) = match fact.kind {
        FactKind::Record { .. } => (Place::Record, None),
        FactKind::Dead => (Place::Dead, None),
        FactKind::Retry { due_at } => (Place::Schedule, Some(due_at)),
        FactKind::GiveBack => (Place::Queue, None),
    };
    let (key, message) = (fact.key.clone(), fact.message.clone());
    JobReport::resolve(&[Stored {
        key,
        place,
        seq: 1,
        stored_at: at,
        due_at,
        delivered: false,
        message,
    }])
}

impl JobView {
    pub(super) fn new(report: JobReport, now: Timestamp) -> Self {
        Self { report, now }
    }

    /// All that the broker knows about the job.
    pub fn report(&self) -> &JobReport {
        &self.report
    }

    /// The job's state.
    pub fn state(&self) -> JobState {
        self.report.state
    }

    /// The job's history, oldest first.
    pub fn history(&self) -> &[AttemptRecord] {
        self.report.envelope.as_ref().map_or(&[], |job| &job.history)
    }

    /// The number of attempts that ran. Snoozes and crashes do not count.
    pub fn attempts(&self) -> usize {
        let counts = |entry: &&AttemptRecord| {
            let ran = entry.started_at.is_some();
            ran && !matches!(entry.outcome, AttemptOutcome::Snoozed | AttemptOutcome::Crashed)
        };
        self.history().iter().filter(counts).count()
    }

    /// The delay before each retry so far.
    pub fn delays(&self) -> Vec<Duration> {
        let retries = self.history().iter().filter(|it| it.decision.as_deref() == Some("retry"));
        retries.filter_map(|it| it.delay_ms).map(Duration::from_millis).collect()
    }

    /// What the handler returned.
    ///
    /// # Panics
    /// When the job has not completed, or its result is not a `T`.
    #[track_caller]
    pub fn result<T: DeserializeOwned>(&self) -> T {
        self.assert_completed();
        match self.report.result.as_ref().map(|result| result.decode()) {
            Some(Ok(result)) => result,
            Some(Err(err)) => self.fail(format_args!("its result has another type: {err}")),
            None => self.fail("it left no result"),
        }
    }

    /// Asserts that it completed.
    #[track_caller]
    pub fn assert_completed(&self) -> &Self {
        self.assert_state(JobState::Completed)
    }

    /// Asserts that it is dead, with an error of this kind or below it.
    #[track_caller]
    pub fn assert_dead(&self, kind: impl Into<ErrorKind>) -> &Self {
        self.assert_state(JobState::Dead).assert_failed(kind)
    }

    /// Asserts that it was cancelled.
    #[track_caller]
    pub fn assert_cancelled(&self) -> &Self {
        self.assert_state(JobState::Cancelled)
    }

    /// Asserts that it expired: its deadline passed before it could start.
    #[track_caller]
    pub fn assert_expired(&self) -> &Self {
        self.assert_state(JobState::Expired)
    }

    /// Asserts that it is in this state.
    #[track_caller]
    pub fn assert_state(&self, state: JobState) -> &Self {
        if self.state() != state {
            self.fail(format_args!("it is {}, not {state}", self.state()));
        }
        self
    }

    /// Asserts that its last error was of this kind or below it.
    #[track_caller]
    pub fn assert_failed(&self, kind: impl Into<ErrorKind>) -> &Self {
        let kind = kind.into();
        let last = self.history().iter().rev().find_map(|entry| entry.error_kind.as_ref());
        match last {
            Some(last) if last.is(&kind) => self,
            Some(last) => self.fail(format_args!("its last error was {last}, not {kind}")),
            None => self.fail(format_args!("it has not failed at all, and so not with {kind}")),
        }
    }

    /// Asserts that it waits for a retry, which is due this long from now.
    #[track_caller]
    pub fn assert_retries_in(&self, wait: Duration) -> &Self {
        self.assert_state(JobState::Retrying);
        let due = self.report.due_at.unwrap_or(self.now).since(self.now);
        if due != wait {
            let (due, wait) =
                (naq_core::retry::BriefDuration(due), naq_core::retry::BriefDuration(wait));
            self.fail(format_args!("its retry is in {due}, not in {wait}"));
        }
        self
    }

    /// Asserts that this many attempts ran.
    #[track_caller]
    pub fn assert_attempts(&self, attempts: usize) -> &Self {
        if self.attempts() != attempts {
            self.fail(format_args!("{} attempts ran, not {attempts}", self.attempts()));
        }
        self
    }

    /// Asserts that its retries had these delays.
    #[track_caller]
    pub fn assert_delays(&self, delays: impl IntoIterator<Item = Duration>) -> &Self {
        let expected: Vec<_> = delays.into_iter().collect();
        if self.delays() != expected {
            self.fail(format_args!("its delays were {:?}, not {expected:?}", self.delays()));
        }
        self
    }

    #[track_caller]
    fn fail(&self, why: impl Display) -> ! {
        let task = self.report.envelope.as_ref().map_or("no job", |job| job.task.as_str());
        panic!(
            "job {} ({task}): {why}. What happened:\n{}",
            self.report.key,
            self.describe_history()
        )
    }

    fn describe_history(&self) -> String {
        let mut text = String::new();
        for entry in self.history() {
            // Writing to a string cannot fail.
            let _ = write!(text, "  attempt {} {}", entry.attempt, state_word(entry.outcome));
            if let Some(at) = entry.ended_at {
                let _ = write!(text, " at {at}");
            }
            if let Some(kind) = &entry.error_kind {
                let message = entry.message.as_deref().unwrap_or_default();
                let _ = write!(text, " with {kind}: {message}");
            }
            let reason = entry.reason.as_deref().unwrap_or_default();
            let _ = writeln!(text, "\n    {reason}");
        }
        if text.is_empty() {
            text.push_str("  nothing yet\n");
        }
        if let Some(due_at) = self.report.due_at {
            let _ = writeln!(text, "  next at {due_at}");
        }
        text + &format!("  now it is {}", self.now)
    }
}

fn state_word(outcome: AttemptOutcome) -> &'static str {
    match outcome {
        AttemptOutcome::Completed => "completed",
        AttemptOutcome::Failed => "failed",
        AttemptOutcome::Snoozed => "snoozed",
        AttemptOutcome::Cancelled => "was cancelled",
        AttemptOutcome::Crashed => "crashed",
        AttemptOutcome::NotRun => "was not run",
        AttemptOutcome::HeldBack => "was held back",
        AttemptOutcome::Requeued => "ended, and the job was requeued",
        _ => "ended otherwise",
    }
}
