//! The events that hooks receive: [`Retrying`], [`Recovered`], [`Exhausted`].

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use naq_client::EncryptedJob;
use naq_core::retry::Rule;
use naq_core::{Envelope, ErrorKind, Timestamp};

/// An attempt failed, and the job will be tried again.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Retrying {
    /// The job as it waits now, with the failed attempt at the end of its history.
    pub job: Arc<Envelope>,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// The kind of the error.
    pub error_kind: ErrorKind,
    /// The error message.
    pub message: String,
    /// The rule that decided on a retry.
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
    /// How long the job waits.
    pub delay: Duration,
    /// When the job will be tried again.
    pub due_at: Timestamp,
}

/// A job succeeded, and not at its first attempt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Recovered {
    /// The job, with the failed attempts in its history.
    pub job: Arc<Envelope>,
    /// The attempt that succeeded, from 2.
    pub attempt: u32,
    /// How long that attempt took.
    pub took: Duration,
}

/// A job is dead: no attempt is left, or another one would not help. The rule says which.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Exhausted {
    /// The job as its dead letter holds it, with its whole history.
    pub job: Arc<Envelope>,
    /// The last attempt, from 1. For a job that did not start: the attempt that was due.
    pub attempt: u32,
    /// The kind of the last error.
    pub error_kind: ErrorKind,
    /// The message of the last error.
    pub message: String,
    /// The rule that ended the job: `max_retries`, `fatal`, `ignore_on`, `max_crashes`...
    pub rule: Rule,
    /// The decision in one sentence.
    pub reason: String,
}

impl HookEvent {
    /// The same event with its message decrypted, for a job whose error messages are encrypted.
    pub(crate) fn with_plain_error(mut self, encrypted: &EncryptedJob) -> Self {
        let message = match &mut self {
            Self::Retrying(event) => &mut event.message,
            Self::Exhausted(event) => &mut event.message,
            Self::Recovered(_) => return self,
        };
        *message = encrypted.open_message(message).into_owned();
        self
    }
}

/// An event that hooks receive.
#[derive(Debug, Clone)]
pub(crate) enum HookEvent {
    Retrying(Retrying),
    Recovered(Recovered),
    Exhausted(Exhausted),
}

impl HookEvent {
    pub(crate) fn job(&self) -> &Envelope {
        match self {
            Self::Retrying(event) => &event.job,
            Self::Recovered(event) => &event.job,
            Self::Exhausted(event) => &event.job,
        }
    }
}

/// `job 0196... (email.send in mail)`.
struct JobLabel<'a>(&'a Envelope);

impl fmt::Display for JobLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {} ({} in {})", self.0.id, self.0.task, self.0.queue)
    }
}

impl fmt::Display for Retrying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", JobLabel(&self.job), self.reason, self.message)
    }
}

impl fmt::Display for Recovered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (attempt, of) = (self.attempt, self.job.max_attempts());
        write!(f, "{}: attempt {attempt} of {of} succeeded", JobLabel(&self.job))
    }
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is dead: {}: {}", JobLabel(&self.job), self.reason, self.message)
    }
}
