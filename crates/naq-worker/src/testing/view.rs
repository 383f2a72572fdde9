//! [`JobView`]: what became of a job.

use std::fmt::{Display, Write};
use std::time::Duration;

use naq_client::JobReport;
use naq_core::transport::{Fact, FactKind, Place, Stored};
use naq_core::wire::AttemptOutcome;
use naq_core::{AttemptRecord, ErrorKind, JobState, Timestamp};
use serde::de::DeserializeOwned;

/// A job as it stood when it was asked for. Assertions can be chained; each panics with the job's
/// whole history when it does not hold.
#[derive(Debug, Clone)]
pub struct JobView {
    report: JobReport,
    now: Timestamp,
}

/// The job as this fact leaves it.
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

    /// Everything known of it.
    pub fn report(&self) -> &JobReport {
        &self.report
    }

    /// Where it stands.
    pub fn state(&self) -> JobState {
        self.report.state
    }

    /// What happened to it, oldest first.
    pub fn history(&self) -> &[AttemptRecord] {
        self.report.envelope.as_ref().map_or(&[], |job| &job.history)
    }

    /// The attempts that ran and count: no snooze, no crash.
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
    /// When it has not completed, or its result is no `T`.
    #[track_caller]
    pub fn result<T: DeserializeOwned>(&self) -> T {
        self.assert_completed();
        match self.report.result.as_ref().map(|result| result.decode()) {
            Some(Ok(result)) => result,
            Some(Err(err)) => self.fail(format_args!("its result is something else: {err}")),
            None => self.fail("it left no result"),
        }
    }

    /// It completed.
    #[track_caller]
    pub fn assert_completed(&self) -> &Self {
        self.assert_state(JobState::Completed)
    }

    /// It is in the dead letter queue, after an error of this kind or below it.
    #[track_caller]
    pub fn assert_dead(&self, kind: impl Into<ErrorKind>) -> &Self {
        self.assert_state(JobState::Dead).assert_failed(kind)
    }

    /// It was cancelled.
    #[track_caller]
    pub fn assert_cancelled(&self) -> &Self {
        self.assert_state(JobState::Cancelled)
    }

    /// Its deadline passed before it could start.
    #[track_caller]
    pub fn assert_expired(&self) -> &Self {
        self.assert_state(JobState::Expired)
    }

    /// It is in this state.
    #[track_caller]
    pub fn assert_state(&self, state: JobState) -> &Self {
        if self.state() != state {
            self.fail(format_args!("it is {}, not {state}", self.state()));
        }
        self
    }

    /// Its last error was of this kind or below it.
    #[track_caller]
    pub fn assert_failed(&self, kind: impl Into<ErrorKind>) -> &Self {
        let kind = kind.into();
        let last = self.history().iter().rev().find_map(|entry| entry.error_kind.as_ref());
        match last {
            Some(last) if last.is(&kind) => self,
            Some(last) => self.fail(format_args!("its last error was {last}, not {kind}")),
            None => self.fail(format_args!("it has not failed, with {kind} or otherwise")),
        }
    }

    /// It waits for a retry, which is this long from now.
    #[track_caller]
    pub fn assert_retries_in(&self, wait: Duration) -> &Self {
        self.assert_state(JobState::Retrying);
        let due = self.report.due_at.unwrap_or(self.now).since(self.now);
        if due != wait {
            let (due, wait) = (humantime::format_duration(due), humantime::format_duration(wait));
            self.fail(format_args!("its retry is in {due}, not in {wait}"));
        }
        self
    }

    /// This many attempts ran.
    #[track_caller]
    pub fn assert_attempts(&self, attempts: usize) -> &Self {
        if self.attempts() != attempts {
            self.fail(format_args!("{} attempts ran, not {attempts}", self.attempts()));
        }
        self
    }

    /// Its retries came after these delays.
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
        panic!("job {} ({task}): {why}. What happened:\n{}", self.report.key, self.story())
    }

    fn story(&self) -> String {
        let mut story = String::new();
        for entry in self.history() {
            // Writing to a string cannot fail.
            let _ = write!(story, "  attempt {} {}", entry.attempt, word(entry.outcome));
            if let Some(at) = entry.ended_at {
                let _ = write!(story, " at {at}");
            }
            if let Some(kind) = &entry.error_kind {
                let message = entry.message.as_deref().unwrap_or_default();
                let _ = write!(story, " with {kind}: {message}");
            }
            let reason = entry.reason.as_deref().unwrap_or_default();
            let _ = writeln!(story, "\n    {reason}");
        }
        if story.is_empty() {
            story.push_str("  nothing yet\n");
        }
        if let Some(due_at) = self.report.due_at {
            let _ = writeln!(story, "  next at {due_at}");
        }
        story + &format!("  now it is {}", self.now)
    }
}

fn word(outcome: AttemptOutcome) -> &'static str {
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
