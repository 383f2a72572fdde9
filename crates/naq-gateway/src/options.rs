//! [`Options`]: the limits of a gateway.

use std::time::Duration;

/// The limits of a gateway.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// The most bytes of a request's body. 8 MiB by default. One job is at most as large as the broker
    /// takes, which is 1 MB unless its `max_payload` says otherwise.
    pub max_body: usize,
    /// The most jobs of one request. 1,000 by default.
    pub max_jobs: usize,
    /// The longest `wait` of a caller. 60 seconds by default.
    pub max_wait: Duration,
    /// How many requests may wait for the end of a job at once. 1,000 by default.
    pub max_waiting: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_body: 8 << 20,
            max_jobs: 1_000,
            max_wait: Duration::from_secs(60),
            max_waiting: 1_000,
        }
    }
}
