//! [`JobView`]: a job as JSON, the same in `naq job show -o json` and in the dashboard.

use std::borrow::Cow;

use naq_core::clock::{Timestamp, millis_up};
use naq_core::failure::ErrorKind;
use naq_core::names::{JobId, JobKey, QueueName, TaskName};
use naq_core::redact::Redactor;
use naq_core::retry::Rule;
use naq_core::seal::shown_text;
use naq_core::state::JobState;
use naq_core::wire::{AttemptRecord, Codec, Payload};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{CheckpointInfo, Hold, JobReport, Progress, Run, Signer};

/// One job as a JSON document. The names of its fields are stable, so scripts can use them.
///
/// ```
/// # use naq_client::{JobReport, JobView};
/// # fn f(report: &JobReport) -> serde_json::Result<String> {
/// serde_json::to_string_pretty(&JobView::from(report))
/// # }
/// ```
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct JobView {
    /// The job's id.
    pub id: JobId,
    /// The job's queue.
    pub queue: QueueName,
    /// The job's task; `None` if the body cannot be decoded and the letter does not name it.
    pub task: Option<TaskName>,
    /// The job's state.
    pub state: JobState,
    /// The current attempt, counted from 1.
    pub attempt: u32,
    /// The most attempts that the policy allows.
    pub max_attempts: Option<u32>,
    /// Worker crashes so far.
    pub crashes: u32,
    /// Snoozes so far.
    pub snoozes: u32,
    /// The retry policy, as text.
    pub policy: Option<String>,
    /// The arguments, if JSON can express them.
    pub args: Option<Box<RawValue>>,
    /// The id of the key with which arguments, result and saved data are stored. Absent if they are
    /// not encrypted. Without this key here, the arguments and the result are null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_with: Option<String>,
    /// When it was enqueued.
    pub enqueued_at: Option<Timestamp>,
    /// When its first attempt started.
    pub first_started_at: Option<Timestamp>,
    /// The workflow that it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow: Option<JobId>,
    /// The jobs that a blocked one waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<JobKey>,
    /// What holds it, or will hold it when it is due. Not part of a job: [`Client::hold_of`] reads it.
    ///
    /// [`Client::hold_of`]: crate::Client::hold_of
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    /// Which worker runs it, since when. Not part of a job: [`Client::run_of`] reads it.
    ///
    /// [`Client::run_of`]: crate::Client::run_of
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<Run>,
    /// When it will run, if it waits for its time.
    pub due_at: Option<Timestamp>,
    /// When it ended, if it has.
    pub finished_at: Option<Timestamp>,
    /// No attempt starts after this time.
    pub deadline: Option<Timestamp>,
    /// The longest time that one attempt may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Who signed it. Absent for a job that is not signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signer: Option<Signer>,
    /// The W3C trace context of its producer.
    pub traceparent: Option<String>,
    /// Its history, oldest first.
    pub attempts: Vec<AttemptRecord>,
    /// What the handler returned, if JSON can express it.
    pub result: Option<Box<RawValue>>,
    /// The progress that its handler last reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// The checkpoint that its next attempt starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointInfo>,
    /// Why it is in the dead letter queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead: Option<DeadView>,
    /// The body as text, if it cannot be decoded as a job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The same body as hexadecimal bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_hex: Option<String>,
}

/// Why a job is in the dead letter queue.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DeadView {
    /// When it died.
    pub died_at: Timestamp,
    /// The kind of its last error.
    pub error_kind: ErrorKind,
    /// The message of its last error.
    pub message: String,
    /// The rule that ended it.
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
}

/// The value as JSON, unchanged if it was JSON before. `None` if JSON cannot express it, and if it is
/// encrypted or compressed still.
fn json(payload: &Payload) -> Option<Box<RawValue>> {
    if payload.encrypted_with().is_some() || payload.is_compressed() {
        return None;
    }
    let json = payload.transcode(Codec::Json).ok()?;
    serde_json::from_slice(json.bytes()).ok()
}

/// The record. A message that is still encrypted becomes the sentence that says which key it needs.
fn shown(record: &AttemptRecord) -> AttemptRecord {
    let mut record = record.clone();
    record.message = record.message.map(|text| shown_text(&text).into_owned());
    record
}

/// Removes secrets. Returns the JSON unchanged if it contains none.
fn without_secrets(json: Box<RawValue>, redactor: &Redactor) -> Box<RawValue> {
    let Ok(before) = serde_json::from_str::<serde_json::Value>(json.get()) else { return json };
    let mut after = before.clone();
    redactor.redact_json(&mut after);
    if before == after {
        return json;
    }
    serde_json::value::to_raw_value(&after).unwrap_or(json)
}

impl JobView {
    /// Removes secrets from the arguments, the result, error messages, and from the text of a body
    /// that cannot be decoded.
    #[must_use]
    pub fn redacted(mut self, redactor: &Redactor) -> Self {
        let text = |text: &mut String| {
            if let Cow::Owned(redacted) = redactor.redact_text(text) {
                *text = redacted;
            }
        };
        self.args = self.args.map(|json| without_secrets(json, redactor));
        self.result = self.result.map(|json| without_secrets(json, redactor));
        for attempt in &mut self.attempts {
            attempt.message.iter_mut().for_each(text);
            attempt.reason.iter_mut().for_each(text);
        }
        if let Some(dead) = &mut self.dead {
            text(&mut dead.message);
            text(&mut dead.reason);
        }
        if let Some(hold) = &mut self.hold {
            text(&mut hold.reason);
        }
        if let Some(progress) = &mut self.progress {
            text(&mut progress.message);
        }
        if let Some(body) = &mut self.body
            && let Cow::Owned(redacted) = redactor.redact_text(body)
        {
            *body = redacted;
            // The bytes contain the same secrets.
            self.body_hex = None;
        }
        self
    }
}

impl From<&JobReport> for JobView {
    fn from(report: &JobReport) -> Self {
        let job = report.envelope.as_ref();
        let dead = report.dead.as_ref();
        let body = job.is_none().then_some(&report.stored.message.body);
        Self {
            id: report.key.id.clone(),
            queue: report.key.queue.clone(),
            task: job.map(|j| j.task.clone()).or_else(|| dead?.task.clone()),
            state: report.state,
            attempt: job.map_or_else(|| report.stored.step().attempt, |j| j.attempt),
            max_attempts: job.map(|j| j.max_attempts()),
            crashes: job.map_or(0, |j| j.crashes),
            snoozes: job.map_or(0, |j| j.snoozes),
            policy: job.map(|j| j.policy.to_string()),
            args: report.args.as_ref().or(job.map(|j| &j.args)).and_then(json),
            encrypted_with: report.encrypted_with.clone(),
            enqueued_at: job.map(|j| j.enqueued_at),
            first_started_at: job.and_then(|j| j.first_started_at),
            workflow: job.and_then(|j| j.workflow.clone()),
            waits_for: report.waits_for.clone(),
            hold: None,
            run: None,
            // The due time of a blocked job is only that of the worker's next check.
            due_at: report.due_at.filter(|_| report.state != JobState::Blocked),
            finished_at: report.finished_at,
            deadline: job.and_then(|j| j.deadline),
            timeout_ms: job.and_then(|j| j.timeout).map(millis_up),
            tags: job.map(|j| j.tags.clone()).unwrap_or_default(),
            signer: report.signer.clone(),
            traceparent: job.and_then(|j| j.traceparent.clone()),
            attempts: job.map(|j| j.history.iter().map(shown).collect()).unwrap_or_default(),
            result: report.result.as_ref().and_then(json),
            progress: report.progress.clone(),
            checkpoint: report.checkpoint.clone(),
            dead: dead.map(|letter| DeadView {
                died_at: letter.died_at,
                error_kind: letter.error_kind.clone(),
                message: shown_text(&letter.message).into_owned(),
                rule: letter.rule,
                reason: letter.reason.clone(),
            }),
            body: body.map(|b| String::from_utf8_lossy(b).into_owned()),
            body_hex: body.map(|b| b.iter().map(|byte| format!("{byte:02x}")).collect()),
        }
    }
}
