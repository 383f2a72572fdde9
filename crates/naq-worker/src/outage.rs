//! [`Outage`]: how a worker waits for a broker that does not answer. It logs the beginning and the
//! end once.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::transport::TransportError;

use crate::random::random;

/// The first wait after a failure.
const FIRST: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// A stretch of failures, from the first one to the next success.
#[derive(Debug)]
pub(crate) struct Outage {
    what: String,
    since: Option<Timestamp>,
    failures: u32,
}

impl Outage {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), since: None, failures: 0 }
    }

    /// A request failed. Logs the first failure of an outage. Returns how long to wait.
    pub(crate) fn failed(&mut self, err: &TransportError, now: Timestamp) -> Duration {
        if self.since.is_none() {
            self.since = Some(now);
            if err.is_transient() {
                tracing::warn!("{}: {err}; retrying until it works", self.what);
            } else {
                tracing::error!("{}: {err}; retrying until it works", self.what);
            }
        }
        self.failures = self.failures.saturating_add(1);
        backoff(self.failures)
    }

    /// Whether the last request failed.
    pub(crate) fn is_open(&self) -> bool {
        self.since.is_some()
    }

    /// A request succeeded. Logs the end of an outage.
    pub(crate) fn recovered(&mut self, now: Timestamp) {
        if let Some(since) = self.since.take() {
            self.failures = 0;
            let lasted = naq_core::retry::BriefDuration(now.since(since));
            tracing::info!("{}: works again after {lasted}", self.what);
        }
    }
}

/// The wait after this many failures in a row: twice as long each time, up to a limit. Half of it
/// is random, so that workers that failed together do not retry together.
pub(crate) fn backoff(failures: u32) -> Duration {
    let full = FIRST.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST);
    let thousandths = (random() % 1000) as u32;
    full / 2 + full * thousandths / 2000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_a_limit_and_is_never_zero() {
        for failures in [0, 1, 2, 5, 100, u32::MAX] {
            let wait = backoff(failures);
            assert!(wait >= FIRST / 2 && wait <= LONGEST, "{failures}: {wait:?}");
        }
        assert!(backoff(100) >= LONGEST / 2);
    }
}
