//! [`WireMessage`]: headers and a body, as every transport carries them.

use std::borrow::Cow;

use bytes::Bytes;

use super::codec::{Codec, DecodeError};
use super::step::Step;
use crate::Timestamp;

/// The headers that NAQ writes and reads. NAQ never copies a `Nats-*` header to another message.
pub mod headers {
    /// The codec of the body.
    pub const CONTENT_TYPE: &str = "Content-Type";
    /// The step of the job: nonce, attempt and snoozes.
    pub const STEP: &str = "Naq-Step";
    /// On a record: other jobs wait for the end of this job. Before the job ends, a message with only
    /// this header, the marker, is on the record subject.
    pub const AWAITED: &str = "Naq-Awaited";
    /// On a record: the blob of a result that is too large for the record.
    pub const RESULT: &str = "Naq-Result";
    /// On a dead letter: the task, if the body could be read.
    pub const TASK: &str = "Naq-Task";
    /// On a dead letter: the error kind of the last failure.
    pub const ERROR_KIND: &str = "Naq-Error-Kind";
    /// On a dead letter: the message of the last failure.
    pub const ERROR: &str = "Naq-Error";
    /// On a dead letter: the rule that ended the job.
    pub const RULE: &str = "Naq-Rule";
    /// On a dead letter: the reason in one sentence.
    pub const REASON: &str = "Naq-Reason";
    /// On a dead letter: when the job died.
    pub const DIED_AT: &str = "Naq-Died-At";
    /// On the record of a cancelled job: whether the history has the attempt that the cancel ended.
    pub const ATTEMPT: &str = "Naq-Attempt";
    /// On a job: it may have been settled before, or it was sent again because an answer was lost. The
    /// worker looks for evidence before it runs it.
    pub const SUSPECT: &str = "Naq-Suspect";
    /// On a job: no worker starts it before this time by the broker's clock. The broker moves a wait to its
    /// queue a little earlier, and the worker that gets it holds it.
    pub const NOT_BEFORE: &str = "Naq-Not-Before";
    /// What is wrong with headers or subject of a message that the transport's client cannot parse. The
    /// transport gives the message this header and [`RAW_HEADERS`] in the place of its own.
    pub const UNREADABLE: &str = "Naq-Unreadable";
    /// The bytes of the headers that could not be parsed, in base64. A dead letter has them, too.
    pub const RAW_HEADERS: &str = "Naq-Raw-Headers";
}

/// What the record of a cancelled job says about the attempt that the cancel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelledAttempt {
    /// Nothing yet. The worker that runs the job replaces this record by one with the attempt.
    Unknown,
    /// Which worker ran it, and when it started.
    Known,
}

impl CancelledAttempt {
    fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Known => "known",
        }
    }
}

/// The name of a header. The two names that every job has are not copied.
fn header_name(name: &str) -> Cow<'static, str> {
    match name {
        headers::CONTENT_TYPE => Cow::Borrowed(headers::CONTENT_TYPE),
        headers::STEP => Cow::Borrowed(headers::STEP),
        other => Cow::Owned(other.to_owned()),
    }
}

/// Headers and body, without the headers that a transport adds.
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

    /// Adds a header. Control characters become spaces, because a line break would begin another header.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Self {
        let value = value.as_ref().trim();
        let value = if value.contains(char::is_control) {
            value.replace(char::is_control, " ").trim().to_owned()
        } else {
            value.to_owned()
        };
        self.headers.push((header_name(name), value));
        self
    }

    /// Removes all headers with this name, in any case of letters.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// Adds the header with the step.
    pub(super) fn with_step(mut self, step: &Step) -> Self {
        self.headers.push((Cow::Borrowed(headers::STEP), step.to_string()));
        self
    }

    /// The first header with this name, in any case of letters.
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
    /// [`DecodeError::ContentType`] if it names no codec of NAQ.
    pub fn codec(&self) -> Result<Codec, DecodeError> {
        Codec::from_content_type(self.header(headers::CONTENT_TYPE))
    }

    /// The step in its header. `None` if another program wrote the message.
    pub fn step(&self) -> Option<Step> {
        self.header(headers::STEP)?.parse().ok()
    }

    /// The marker: a message which says that other jobs wait for the end of a job. It has the header
    /// [`AWAITED`](headers::AWAITED) and nothing else.
    pub fn marker() -> Self {
        Self::default().with(headers::AWAITED, "1")
    }

    /// Whether this is a marker, which is not a record.
    pub fn is_marker(&self) -> bool {
        self.body.is_empty() && self.is_awaited()
    }

    /// Whether other jobs wait, or have waited, for the end of the job.
    pub fn is_awaited(&self) -> bool {
        self.header(headers::AWAITED).is_some()
    }

    /// Says in a header whether this record of a cancelled job has the attempt that the cancel ended.
    #[must_use]
    pub fn with_cancelled_attempt(self, attempt: CancelledAttempt) -> Self {
        self.with(headers::ATTEMPT, attempt.as_str())
    }

    /// Whether this record of a cancelled job has the attempt that the cancel ended. `None` if it does
    /// not say so.
    pub fn cancelled_attempt(&self) -> Option<CancelledAttempt> {
        let value = self.header(headers::ATTEMPT)?;
        [CancelledAttempt::Unknown, CancelledAttempt::Known]
            .into_iter()
            .find(|it| it.as_str() == value)
    }

    /// The same message with the header that makes a worker look for evidence before it runs the job.
    #[must_use]
    pub fn as_suspect(self) -> Self {
        if self.is_suspect() { self } else { self.with(headers::SUSPECT, "1") }
    }

    /// Whether a worker must look for evidence before it runs the job.
    pub fn is_suspect(&self) -> bool {
        self.header(headers::SUSPECT).is_some()
    }

    /// The time by the broker's clock before which no worker starts the job. `None` if it may start at once.
    pub fn not_before(&self) -> Option<Timestamp> {
        self.header(headers::NOT_BEFORE)?.parse().ok()
    }

    /// What is wrong with headers or subject of this message. `None` for a message that can be parsed.
    pub fn unreadable(&self) -> Option<&str> {
        self.header(headers::UNREADABLE)
    }

    /// The size of body and headers in bytes, nearly as the broker counts it.
    pub fn size(&self) -> usize {
        self.body.len() + self.headers.iter().map(|(n, v)| n.len() + v.len() + 4).sum::<usize>()
    }
}
