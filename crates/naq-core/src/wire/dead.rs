//! [`DeadLetter`]: a job that ended badly, whole, so that it can be replayed exactly.

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

/// Bytes of an error message that go into a header; the history in the body has more of it.
const MAX_HEADER_MESSAGE: usize = 1024;
/// About what a summary takes beside the arguments.
const SUMMARY_ROOM: usize = 512;

/// What stands on `naq.d.<queue>.<id>`: the body byte for byte, decodable or not, and in headers
/// why it is here, so that a list of dead letters never decodes bodies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Which life ended, and at which attempt.
    pub step: Step,
    /// The task, when the body could be read.
    pub task: Option<TaskName>,
    /// The kind of the last error.
    pub error_kind: ErrorKind,
    /// The message of the last error.
    pub message: String,
    /// The rule that ended the job.
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
    /// When it died.
    pub died_at: Timestamp,
    /// The `Content-Type` that the body came with.
    pub content_type: Option<String>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl DeadLetter {
    /// What the job that follows this death is told, in the dead job's codec: `job` (its id), `task`,
    /// `queue`, `error_kind`, `message`, `rule`, `reason`, `attempts`, `died_at`, and `args`, those of
    /// the dead job as they were, or null without `with_args`.
    ///
    /// # Errors
    /// [`EncodeError`] when one of them cannot be written.
    pub fn summary(&self, dead: &Envelope, with_args: bool) -> Result<Payload, EncodeError> {
        let null = Payload::null(dead.codec);
        let args = if with_args { &dead.args } else { &null };
        let mut w = Writer::new(dead.codec, args.bytes().len() + SUMMARY_ROOM);
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

    /// The message as it is stored.
    pub fn to_message(&self) -> WireMessage {
        let mut message = WireMessage::new(self.body.clone());
        if let Some(content_type) = &self.content_type {
            message = message.with(headers::CONTENT_TYPE, content_type);
        }
        self.say_why(message.with(headers::STEP, self.step.to_string()))
    }

    /// Adds the headers that say why. The record of the dead job has them, too.
    pub(crate) fn say_why(&self, mut message: WireMessage) -> WireMessage {
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

    /// Reads a stored letter. Nothing in it can make this fail: what is missing or unreadable gets
    /// a neutral value, since a letter that could not be shown could not be replayed either.
    pub(crate) fn from_message(message: &WireMessage, seq: u64, stored_at: Timestamp) -> Self {
        let text = |name| message.header(name).map(str::to_owned);
        Self {
            step: message.step().unwrap_or_else(|| Step {
                nonce: super::Nonce::from_sequence(seq),
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
