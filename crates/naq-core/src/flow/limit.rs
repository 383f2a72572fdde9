//! A limit that jobs of one key share, across all workers.

use serde::{Deserialize, Serialize};

/// How many jobs of one key may run at once, and how many may start in a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Whom it is for: jobs with the same key share it, over all queues.
    pub key: String,
    /// Jobs that may run at once; none for no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
    /// Attempts that may start in a time; none for no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

/// So many in so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how many milliseconds.
    pub per_ms: u64,
}
