//! [`TransportError`]: why a request to the broker failed.

use std::time::Duration;

use super::QueueBound;
use crate::names::QueueName;

/// A request to the broker failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// There is no connection. The request was not sent, or it is unknown whether it arrived.
    #[error("cannot reach the broker at {url}: {reason}")]
    Unreachable {
        /// The address of the broker, without credentials.
        url: String,
        /// The error of the connection.
        reason: String,
    },
    /// There was no answer in time. The broker may have done it. Every write can be repeated safely.
    #[error("the broker did not answer within {} to: {what}", crate::retry::BriefDuration(*.after))]
    Timeout {
        /// The request.
        what: String,
        /// How long the client waited.
        after: Duration,
    },
    /// The broker cannot do this at the moment: it starts, elects a leader, has no quorum, or a store
    /// is full. Every write can be repeated safely.
    #[error("the broker cannot do this at the moment: {what}: {reason}")]
    Unavailable {
        /// The request.
        what: String,
        /// The reason that the broker gave.
        reason: String,
    },
    /// A store of the broker is full. Every write can be repeated safely, and works again when there is
    /// room.
    #[error("{what}: {reason}")]
    StoreFull {
        /// The request.
        what: String,
        /// Which store is full.
        reason: String,
        /// Whether other jobs wait for the fact that was not stored. Only known for a record.
        awaited: Option<bool>,
    },
    /// The broker refused the credentials.
    #[error("the broker refused the credentials: {0}")]
    Auth(String),
    /// The user of these credentials may not do this.
    #[error("not allowed: {subject} (give this user the permission, see docs/operating.md)")]
    Permission {
        /// The subject that the broker refused.
        subject: String,
    },
    /// The message is larger than the broker accepts.
    #[error("{size} bytes, but the broker takes at most {max} (its max_payload)")]
    TooLarge {
        /// The size of the message in bytes.
        size: usize,
        /// The limit of the broker in bytes.
        max: usize,
    },
    /// The broker lacks a feature that NAQ needs.
    #[error("{found} cannot run NAQ: {needs}")]
    Unsupported {
        /// The broker and its version.
        found: String,
        /// The missing feature, and how to get it.
        needs: String,
    },
    /// The queue does not exist, and this user may not create it.
    #[error("no queue {0:?}: enqueue a job or start a worker with the right to create it")]
    NoQueue(String),
    /// The queue has reached its bound. Nothing was stored.
    #[error(
        "queue {queue} is full: it stores {bound} ({jobs} jobs, {bytes} bytes now); enqueue again when workers have ended some"
    )]
    QueueFull {
        /// The queue.
        queue: QueueName,
        /// Its bound.
        bound: QueueBound,
        /// How many jobs it stores.
        jobs: u64,
        /// How many bytes it stores.
        bytes: u64,
    },
    /// The broker removes jobs of this queue by itself, because its stream has a limit. Nothing was
    /// stored.
    #[error("not enqueued: the broker removes the oldest jobs of queue {queue} without a trace, because the stream {stream} has {}; remove the limit: {mend}", .evicts.join(", "))]
    QueueEvicts {
        /// The queue.
        queue: QueueName,
        /// Its stream.
        stream: String,
        /// The limits, such as `max_msgs 500`.
        evicts: Vec<String>,
        /// The command that removes them.
        mend: String,
    },
    /// A newer version of NAQ has made or changed the stream. This program neither uses nor changes it.
    #[error(
        "the stream {stream} has schema {found}, and this program knows up to {known}: upgrade this program"
    )]
    NewerSchema {
        /// The stream.
        stream: String,
        /// Its schema.
        found: u32,
        /// The newest schema that this program knows.
        known: u32,
    },
    /// The broker refused the request for another reason.
    #[error("{what}: {reason}")]
    Rejected {
        /// The request.
        what: String,
        /// The reason that the broker gave.
        reason: String,
    },
}

impl TransportError {
    /// Whether the same request may succeed if it is repeated a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Timeout { .. }
                | Self::Unavailable { .. }
                | Self::StoreFull { .. }
        )
    }
}
