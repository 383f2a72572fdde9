//! What a broker can answer instead of doing as asked.

use std::time::Duration;

/// An operation that a transport could not carry out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection. Nothing was sent, or it is not known to have arrived.
    #[error("cannot reach the broker at {url}: {reason}")]
    Unreachable {
        /// Where it was looked for, without credentials.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// No answer in time: it may or may not have been done. Repeat it; every write can be repeated.
    #[error("the broker did not answer within {} to: {what}", humantime::format_duration(*.after))]
    Timeout {
        /// What was asked.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// The credentials were refused.
    #[error("the broker refused the credentials: {0}")]
    Auth(String),
    /// The credentials do not allow this.
    #[error("not allowed: {subject} (give this user the permission, see docs/operating.md)")]
    Permission {
        /// The subject that the broker refused.
        subject: String,
    },
    /// More bytes than the broker takes.
    #[error("{size} bytes, but the broker takes at most {max} (its max_payload)")]
    TooLarge {
        /// The message's size in bytes.
        size: usize,
        /// The broker's limit in bytes.
        max: usize,
    },
    /// The broker lacks what NAQ is built on.
    #[error("{found} cannot run NAQ: {needs}")]
    Unsupported {
        /// What was found.
        found: String,
        /// What is needed, and how to get it.
        needs: String,
    },
    /// There is no such queue, and this user may not create one.
    #[error("no queue {0:?}: enqueue a job or start a worker with the right to create it")]
    NoQueue(String),
    /// The broker said no, for a reason of its own.
    #[error("{what}: {reason}")]
    Rejected {
        /// What was asked.
        what: String,
        /// What the broker said.
        reason: String,
    },
}

impl TransportError {
    /// Whether the same call may well succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Timeout { .. })
    }
}
