//! [`JobDetails`]: everything about a job, as JSON or in words.

use std::ops::Deref;
use std::time::Duration;

use naq_client::{Hold, JobReport, JobView, Progress, Run, Signer};
use naq_core::redact::Redactor;
use naq_core::wire::AttemptOutcome;
use naq_core::{AttemptRecord, Clock, JobState, SystemClock, Timestamp};
use serde::Serialize;

use crate::output::{BOLD, DIM, Details, GREEN, RED, YELLOW, paint};
use crate::text::{about, duration, printable, printable_json, printable_lines};
use crate::{hold_words, run_words};

/// What `naq job show` prints: a [`JobView`], as JSON or in words.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct JobDetails(JobView);

impl From<&JobReport> for JobDetails {
    fn from(report: &JobReport) -> Self {
        Self(JobView::from(report))
    }
}

impl JobDetails {
    /// With what holds the job.
    pub(crate) fn held_by(mut self, hold: Option<Hold>) -> Self {
        self.0.hold = hold;
        self
    }

    /// With the worker that runs the job.
    pub(crate) fn run_by(mut self, run: Option<Run>) -> Self {
        self.0.run = run;
        self
    }

    /// Hides secrets. Their key or their text shows that they are secrets.
    pub(crate) fn redacted(self) -> Self {
        Self(self.0.redacted(&Redactor::default()))
    }
}

impl Deref for JobDetails {
    type Target = JobView;

    fn deref(&self) -> &JobView {
        &self.0
    }
}

/// The state in its colour.
pub(crate) fn state(state: JobState) -> String {
    let style = match state {
        JobState::Completed => GREEN,
        JobState::Dead => RED,
        JobState::Retrying | JobState::Scheduled => YELLOW,
        JobState::Cancelled | JobState::Expired => DIM,
        _ => BOLD,
    };
    paint(style, state)
}

impl JobDetails {
    /// The handler's result as JSON.
    pub(crate) fn result_words(&self) -> Option<String> {
        self.result.as_ref().map(|result| printable_json(result.get()).into_owned())
    }

    /// With which key its payloads are stored, and whether this command has the key.
    fn encrypted_words(&self, key: &str) -> String {
        match self.args {
            Some(_) => format!("with key {key}"),
            None => format!("with key {key}, which this command does not have"),
        }
    }

    /// What holds the job back, and the command that ends it.
    fn hold_words(&self, now: Timestamp) -> Option<String> {
        let hold = self.hold.as_ref()?;
        let words = hold_words::reason_words(hold, now);
        Some(format!("{}; next: {}", printable(&words), printable(&hold_words::next_step(hold))))
    }

    /// Which worker runs the job, since when.
    fn worker_words(&self, now: Timestamp) -> Option<String> {
        let runs = self.state == JobState::Running;
        runs.then(|| run_words::on_worker(self.run.as_ref(), now))
    }

    /// The jobs that it waits for. If there are many, only the first ones are named.
    fn waits_for_words(&self) -> Option<String> {
        const NAMED: usize = 5;
        let more = self.waits_for.len().saturating_sub(NAMED);
        let named: Vec<_> = self.waits_for.iter().take(NAMED).map(ToString::to_string).collect();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!named.is_empty()).then(|| named.join(", ") + &more)
    }

    /// The details in words, for a terminal.
    pub(crate) fn words(&self) -> String {
        let now = SystemClock.now();
        let ago = |t: Timestamp| {
            if t > now {
                format!("{t} (in {})", about(t.since(now)))
            } else {
                format!("{t} ({} ago)", about(now.since(t)))
            }
        };
        let attempt = self.max_attempts.map(|max| format!("{} of {max}", self.attempt));
        let none_zero = |n: u32| (n > 0).then_some(n);
        let details = Details::default()
            .with("job", &self.id)
            .styled("state", state(self.state))
            .with("queue", &self.queue)
            .with("task", self.task.as_ref().map_or("unknown", |t| t.as_str()))
            .maybe("attempt", attempt)
            .maybe("worker", self.worker_words(now))
            .maybe("crashes", none_zero(self.crashes))
            .maybe("snoozes", none_zero(self.snoozes))
            .maybe("policy", self.policy.as_ref())
            .maybe("enqueued", self.enqueued_at.map(ago))
            .maybe("workflow", self.workflow.as_ref())
            .maybe("waits for", self.waits_for_words())
            .maybe("due", self.due_at.map(ago))
            .maybe("held", self.hold_words(now))
            .maybe("finished", self.finished_at.map(ago))
            .maybe("deadline", self.deadline.map(ago))
            .maybe("timeout", self.timeout_ms.map(|ms| duration(Duration::from_millis(ms))))
            .maybe("signed by", self.signer.as_ref().map(signer_words))
            .maybe("tags", (!self.tags.is_empty()).then(|| self.tags.join(", ")))
            .maybe("encrypted", self.encrypted_with.as_ref().map(|key| self.encrypted_words(key)))
            .maybe("args", self.args.as_ref().map(|args| args.get()))
            .maybe_styled("progress", self.progress.as_ref().map(progress_words))
            .maybe(
                "checkpoint",
                self.checkpoint.as_ref().map(|checkpoint| {
                    format!(
                        "of attempt {}, {}, {} bytes",
                        checkpoint.attempt,
                        ago(checkpoint.at),
                        checkpoint.bytes
                    )
                }),
            )
            .maybe("result", self.result.as_ref().map(|result| beginning(result.get())))
            .maybe("dead", self.dead.as_ref().map(|d| &d.reason))
            .maybe("error", self.dead.as_ref().map(|d| format!("{}: {}", d.error_kind, d.message)))
            .maybe("body", self.body.as_ref());
        let mut text = details.render();
        if !self.attempts.is_empty() {
            text.push_str("\n\n");
            text.push_str(&paint(BOLD, "attempts"));
            for record in &self.attempts {
                text.push('\n');
                text.push_str(&attempt_words(record, self.max_attempts));
            }
        }
        text
    }
}

/// Who signed the job, and whether that is true.
fn signer_words(signer: &Signer) -> String {
    match (&signer.name, &signer.fault) {
        (Some(name), None) => name.clone(),
        (Some(_), Some(fault)) => format!("not valid: {fault}"),
        (None, _) => format!("{}, which is not among --trusted-keys", signer.key),
    }
}

/// The longest result, in characters, that is printed in full among the other fields.
const SHOWN: usize = 2_000;

/// The whole text if it is short, otherwise its beginning and its length.
fn beginning(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => {
            format!("{} ... ({} bytes; `naq job wait` prints all of it)", &text[..end], text.len())
        }
    }
}

/// The width of a progress bar in columns.
const BAR: usize = 20;

/// A bar, if the total is known, and the handler's message.
pub(crate) fn progress_words(progress: &Progress) -> String {
    let Progress { done, total, message, .. } = progress;
    let message = printable(message);
    let Some(percent) = progress.percent() else { return format!("{done} done  {message}") };
    let full = usize::try_from(percent).unwrap_or(0) * BAR / 100;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(BAR - full));
    format!("[{}] {percent} %  {done} of {total}  {message}", paint(GREEN, bar))
}

/// One attempt in words: when it ran, on which worker, how it ended, and the decision.
pub(crate) fn attempt_words(record: &AttemptRecord, max: Option<u32>) -> String {
    let when = record.started_at.or(record.ended_at).map_or(String::new(), |t| format!("{t}  "));
    if record.outcome == AttemptOutcome::Requeued {
        return format!("  {when}{}", paint(YELLOW, "requeued: attempts start again from 1"));
    }
    let of = max.map_or(String::new(), |max| format!(" of {max}"));
    let (style, outcome) = match record.outcome {
        AttemptOutcome::Completed => (GREEN, "succeeded"),
        AttemptOutcome::Failed => (RED, "failed"),
        AttemptOutcome::Snoozed => (YELLOW, "snoozed"),
        AttemptOutcome::Cancelled => (DIM, "cancelled"),
        AttemptOutcome::Crashed => (RED, "crashed"),
        AttemptOutcome::NotRun => (RED, "not run"),
        AttemptOutcome::HeldBack => (YELLOW, "held back"),
        _ => (BOLD, "ended in a way that this version of naq does not know"),
    };
    let took = match (record.started_at, record.ended_at) {
        (Some(start), Some(end)) if start == end => " in <1ms".to_owned(),
        (Some(start), Some(end)) => format!(" in {}", about(end.since(start))),
        _ => String::new(),
    };
    let worker = record.worker.as_ref().map_or(String::new(), |w| format!(" on {w}"));
    let mut text =
        format!("  {when}attempt {}{of} {}{took}{worker}", record.attempt, paint(style, outcome));
    if let Some(kind) = &record.error_kind {
        let message = record.message.as_deref().unwrap_or_default();
        let message = printable_lines(message).replace('\n', "\n      ");
        text.push_str(&format!("\n      {kind}: {message}"));
    }
    if let Some(decision) = decision_words(record) {
        text.push_str(&format!("\n      {} {}", paint(DIM, "->"), printable(&decision)));
    }
    text
}

/// The decision after an attempt: with its delay and rule if the job goes on, with its reason if not.
fn decision_words(record: &AttemptRecord) -> Option<String> {
    let rule = record.rule.map_or(String::new(), |rule| format!(" (rule: {rule})"));
    match (record.decision.as_deref()?, record.delay_ms) {
        ("complete", _) => None,
        (_, Some(ms)) if record.outcome == AttemptOutcome::HeldBack => {
            let reason = record.reason.as_deref().unwrap_or_default();
            Some(format!(
                "{reason}; checked again in {}{rule}",
                duration(Duration::from_millis(ms))
            ))
        }
        (decision, Some(ms)) => {
            Some(format!("{decision} in {}{rule}", duration(Duration::from_millis(ms))))
        }
        (decision, None) => {
            Some(format!("{decision}{rule}: {}", record.reason.as_deref().unwrap_or_default()))
        }
    }
}
