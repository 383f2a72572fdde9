//! [`DeadLetter`]: a dead job with all its bytes and the reason, so that it can be requeued unchanged.

use bytes::Bytes;

use super::codec::EncodeError;
use super::envelope::Envelope;
use super::fields::Payload;
use super::history::clip;
use super::message::{WireMessage, headers};
use super::step::Step;
use super::writer::Writer;
use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::TaskName;
use crate::retry::Rule;

/// The most bytes of an error message in a header. The history in the body has more of it.
const MAX_HEADER_MESSAGE: usize = 1024;
/// The usual size of a summary without the arguments, in bytes.
const OTHER_FIELDS_BYTES: usize = 512;

/// A dead letter, the message on `naq.d.<queue>.<id>`. It has the body of the job byte for byte, even if
/// that cannot be decoded. Its headers say why the job died, so that a list of dead letters decodes no
/// bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The life that ended, and its last attempt.
    pub step: Step,
    /// The task. `None` if the body could not be read.
    pub task: Option<TaskName>,
    /// The error kind of the last failure.
    pub error_kind: ErrorKind,
    /// The message of the last failure.
    pub message: String,
    /// The rule that ended the job.
    pub rule: Rule,
    /// The reason in one sentence.
    pub reason: String,
    /// When the job died.
    pub died_at: Timestamp,
    /// The `Content-Type` of the body.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl DeadLetter {
    /// The arguments of the follow-up job, in the codec of the dead job: `job` (the id of the dead job),
    /// `task`, `queue`, `error_kind`, `message`, `rule`, `reason`, `attempts`, `died_at`, and `args`, the
    /// arguments of the dead job. `args` is null without `with_args`.
    ///
    /// # Errors
    /// [`EncodeError`] if a value cannot be written.
    pub fn summary(&self, dead: &Envelope, with_args: bool) -> Result<Payload, EncodeError> {
        let null = Payload::null(dead.codec);
        let args = if with_args { &dead.args } else { &null };
        let mut w = Writer::new(dead.codec, args.bytes().len() + OTHER_FIELDS_BYTES);
        w.put_raw("args", args)?;
        w.put("attempts", &dead.attempt)?;
        w.put("died_at", &self.died_at)?;
        w.put("error_kind", &self.error_kind)?;
        w.put("job", &dead.id)?;
        w.put("message", &self.message)?;
        w.put("queue", &dead.queue)?;
        w.put("reason", &self.reason)?;
        w.put("rule", &self.rule)?;
        w.put("task", &dead.task)?;
        Ok(Payload::from_raw(dead.codec, w.finish()))
    }

    /// The message of the dead letter.
    pub fn to_message(&self) -> WireMessage {
        let mut message = WireMessage::new(self.body.clone());
        if let Some(content_type) = &self.content_type {
            message = message.with(headers::CONTENT_TYPE, content_type);
        }
        self.add_reason(message.with(headers::STEP, self.step.to_string()))
    }

    /// Adds the headers that say why the job died. The record of a dead job has them too.
    pub(crate) fn add_reason(&self, mut message: WireMessage) -> WireMessage {
        let short = if self.message.len() > MAX_HEADER_MESSAGE {
            self.message.chars().take(MAX_HEADER_MESSAGE / 4).chain(['…']).collect()
        } else {
            clip(self.message.clone())
        };
        if let Some(task) = &self.task {
            message = message.with(headers::TASK, task);
        }
        message
            .with(headers::ERROR_KIND, self.error_kind.as_str())
            .with(headers::ERROR, short)
            .with(headers::RULE, self.rule.as_str())
            .with(headers::REASON, &self.reason)
            .with(headers::DIED_AT, self.died_at.to_string())
    }

    /// Reads a dead letter. This never fails: a missing or unreadable header gets a neutral value, so
    /// that every letter can be shown and requeued.
    pub(crate) fn from_message(message: &WireMessage, seq: u64, stored_at: Timestamp) -> Self {
        let text = |name| message.header(name).map(str::to_owned);
        Self {
            step: message.step().unwrap_or_else(|| Step {
                nonce: super::Nonce::of_message(seq, stored_at),
                attempt: 1,
                snoozes: 0,
            }),
            task: text(headers::TASK).and_then(|t| TaskName::new(t).ok()),
            error_kind: text(headers::ERROR_KIND)
                .and_then(|k| ErrorKind::new(k).ok())
                .unwrap_or(ErrorKind::ERROR),
            message: text(headers::ERROR).unwrap_or_default(),
            rule: text(headers::RULE).and_then(|r| r.parse().ok()).unwrap_or(Rule::Unknown),
            reason: text(headers::REASON).unwrap_or_default(),
            died_at: text(headers::DIED_AT).and_then(|t| t.parse().ok()).unwrap_or(stored_at),
            content_type: text(headers::CONTENT_TYPE),
            body: message.body.clone(),
        }
    }
}
