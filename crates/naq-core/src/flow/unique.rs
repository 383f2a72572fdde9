//! A key that at most one job may hold.

use serde::{Deserialize, Serialize};

/// What makes a job the only one of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unique {
    /// The key: at most one job holds it, over all queues.
    pub key: String,
    /// How long it is held.
    pub scope: UniqueScope,
}

/// How long a job holds its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum UniqueScope {
    /// Until its first attempt starts.
    UntilStarted,
    /// Until it has ended, retries included.
    UntilFinished,
    /// For so many milliseconds since it was enqueued, whatever becomes of it.
    ForMillis(u64),
}
