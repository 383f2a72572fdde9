//! [`DiePoint`]: where a process dies, with a name for an environment variable.

use std::fmt;
use std::str::FromStr;

/// An operation of a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// Enqueue or requeue.
    Publish,
    /// Fetch deliveries.
    Fetch,
    /// Look for evidence.
    Evidence,
    /// Write a final record.
    Record,
    /// Write the next attempt.
    Retry,
    /// Write a dead letter.
    Dead,
    /// Write a marker: other jobs wait for the end of a job.
    Await,
    /// Give a delivery back.
    GiveBack,
    /// Ack a delivery.
    Ack,
    /// Renew a lease.
    Renew,
    /// Remove a message.
    Remove,
    /// Make a waiting job due.
    Release,
    /// Move a waiting job to another time.
    Reschedule,
    /// Send a signal.
    Signal,
    /// Change the state store.
    State,
    /// Store or remove the list of the attempts that a worker runs.
    RunList,
    /// Store a blob.
    Blob,
    /// Remove a blob.
    BlobRemove,
    /// Store statistics.
    Stats,
    /// Everything else that reads or writes.
    Other,
}

impl Op {
    /// Every operation.
    pub const ALL: [Self; 20] = [
        Self::Publish,
        Self::Fetch,
        Self::Evidence,
        Self::Record,
        Self::Retry,
        Self::Dead,
        Self::Await,
        Self::GiveBack,
        Self::Ack,
        Self::Renew,
        Self::Remove,
        Self::Release,
        Self::Reschedule,
        Self::Signal,
        Self::State,
        Self::RunList,
        Self::Blob,
        Self::BlobRemove,
        Self::Stats,
        Self::Other,
    ];

    /// The name in a [`DiePoint`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::Fetch => "fetch",
            Self::Evidence => "evidence",
            Self::Record => "record",
            Self::Retry => "retry",
            Self::Dead => "dead",
            Self::Await => "await",
            Self::GiveBack => "give-back",
            Self::Ack => "ack",
            Self::Renew => "renew",
            Self::Remove => "remove",
            Self::Release => "release",
            Self::Reschedule => "reschedule",
            Self::Signal => "signal",
            Self::State => "state",
            Self::RunList => "run-list",
            Self::Blob => "blob",
            Self::BlobRemove => "blob-remove",
            Self::Stats => "stats",
            Self::Other => "other",
        }
    }
}

/// The point before an operation starts, or the point after it took effect and before its answer.
///
/// ```
/// use naq_core::testing::{DiePoint, Op};
///
/// assert_eq!("after-retry".parse(), Ok(DiePoint::After(Op::Retry)));
/// assert_eq!(DiePoint::Before(Op::Ack).to_string(), "before-ack");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DiePoint {
    /// `before-OP`: it has no effect.
    Before(Op),
    /// `after-OP`: it has its whole effect, and the process does nothing more.
    After(Op),
}

/// A text is not a [`DiePoint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown die point {0:?}: write before-OP or after-OP, OP one of {ops}", ops = ops())]
pub struct DiePointError(String);

fn ops() -> String {
    Op::ALL.map(Op::as_str).join(", ")
}

impl fmt::Display for DiePoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before(op) => write!(f, "before-{}", op.as_str()),
            Self::After(op) => write!(f, "after-{}", op.as_str()),
        }
    }
}

impl FromStr for DiePoint {
    type Err = DiePointError;

    fn from_str(s: &str) -> Result<Self, DiePointError> {
        let op = |name: &str| Op::ALL.into_iter().find(|op| op.as_str() == name);
        let before = s.strip_prefix("before-").and_then(op).map(Self::Before);
        let after = || s.strip_prefix("after-").and_then(op).map(Self::After);
        before.or_else(after).ok_or_else(|| DiePointError(s.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_name_that_round_trips() {
        for op in Op::ALL {
            for point in [DiePoint::Before(op), DiePoint::After(op)] {
                assert_eq!(point.to_string().parse(), Ok(point));
            }
        }
        let err = "after-lunch".parse::<DiePoint>().expect_err("no such point").to_string();
        assert!(err.contains("after-lunch") && err.contains("give-back"), "{err}");
    }
}
