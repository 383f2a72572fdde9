//! A message as every transport carries it: headers and a body.

use std::borrow::Cow;

use bytes::Bytes;

use super::codec::{Codec, DecodeError};
use super::step::Step;

/// The headers that NAQ writes and reads. Incoming `Nats-*` headers are never copied onward.
pub mod headers {
    /// The codec of the body.
    pub const CONTENT_TYPE: &str = "Content-Type";
    /// Which life and attempt the message is for.
    pub const STEP: &str = "Naq-Step";
    /// On a record: other jobs wait for the end of this one. A message with nothing but this header
    /// stands there before the job has ended.
    pub const AWAITED: &str = "Naq-Awaited";
    /// On a record: where the result is kept that is too large for it.
    pub const RESULT: &str = "Naq-Result";
    /// On a dead letter: the task, when it could be read.
    pub const TASK: &str = "Naq-Task";
    /// On a dead letter: the kind of the last error.
    pub const ERROR_KIND: &str = "Naq-Error-Kind";
    /// On a dead letter: the message of the last error.
    pub const ERROR: &str = "Naq-Error";
    /// On a dead letter: the rule that ended the job.
    pub const RULE: &str = "Naq-Rule";
    /// On a dead letter: the decision in one sentence.
    pub const REASON: &str = "Naq-Reason";
    /// On a dead letter: when the job died.
    pub const DIED_AT: &str = "Naq-Died-At";
}

/// The names that every job has are not copied for each.
fn name_of(name: &str) -> Cow<'static, str> {
    match name {
        headers::CONTENT_TYPE => Cow::Borrowed(headers::CONTENT_TYPE),
        headers::STEP => Cow::Borrowed(headers::STEP),
        other => Cow::Owned(other.to_owned()),
    }
}

/// Headers and body, before a transport adds its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WireMessage {
    headers: Vec<(Cow<'static, str>, String)>,
    /// The body, byte for byte.
    pub body: Bytes,
}

impl WireMessage {
    /// A message with this body and no headers.
    pub fn new(body: Bytes) -> Self {
        Self { headers: Vec::new(), body }
    }

    /// Adds a header. Line breaks, which would begin another header, become spaces.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().trim();
        let value = if value.contains(char::is_control) {
            value.replace(char::is_control, " ").trim().to_owned()
        } else {
            value.to_owned()
        };
        self.headers.push((name_of(name), value));
        self
    }

    /// Adds where its life stands.
    pub(super) fn with_step(mut self, step: &Step) -> Self {
        self.headers.push((Cow::Borrowed(headers::STEP), step.to_string()));
        self
    }

    /// The first header of this name, whatever its case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// All headers, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(n, v)| (&**n, v.as_str()))
    }

    /// The codec that `Content-Type` names.
    ///
    /// # Errors
    /// [`DecodeError::ContentType`] when it is none of ours.
    pub fn codec(&self) -> Result<Codec, DecodeError> {
        Codec::from_content_type(self.header(headers::CONTENT_TYPE))
    }

    /// Where its life stands, if NAQ wrote it.
    pub fn step(&self) -> Option<Step> {
        self.header(headers::STEP)?.parse().ok()
    }

    /// What notes that other jobs wait for an end that has not come: the header
    /// [`AWAITED`](headers::AWAITED) and nothing else.
    pub fn marker() -> Self {
        Self::default().with(headers::AWAITED, "1")
    }

    /// Whether it is such a note, and so no record.
    pub fn is_marker(&self) -> bool {
        self.body.is_empty() && self.is_awaited()
    }

    /// Whether other jobs wait, or waited, for the end that it stands for.
    pub fn is_awaited(&self) -> bool {
        self.header(headers::AWAITED).is_some()
    }

    /// Body and headers in bytes, about as the broker counts them.
    pub fn size(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>()
    }
}
