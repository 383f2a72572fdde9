//! [`Progress`]: how far the handler of a job has come, as it reports.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::{JobKey, StateKey};
use naq_core::wire::{Envelope, Nonce};
use serde::{Deserialize, Serialize};

use crate::saved::key::{saved_key, saved_key_of};

/// How far a handler has come, as it reports. Stored until the job ends, at most for
/// [`TTL`](Self::TTL) after the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub done: u64,
    /// Steps in all; 0 if the handler does not know.
    pub total: u64,
    /// What the handler does now; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The attempt that reported it.
    pub attempt: u32,
    /// When it was reported.
    pub at: Timestamp,
}

impl Progress {
    /// How long the last report of a handler is stored: 1 day. No job depends on it.
    pub const TTL: Duration = Duration::from_secs(24 * 60 * 60);
    /// The longest message, in bytes; a longer one is cut.
    pub const MAX_MESSAGE: usize = 512;

    /// The share that is done, 0 to 1; `None` if the number of steps is not known.
    pub fn share(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
        (self.total > 0).then(|| (self.done.min(self.total) as f64) / (self.total as f64))
    }

    /// The whole percents that are done, rounded down: 100 means that all is done.
    pub fn percent(&self) -> Option<u64> {
        let done = u128::from(self.done.min(self.total)) * 100;
        done.checked_div(u128::from(self.total)).and_then(|percent| u64::try_from(percent).ok())
    }

    /// The state-store key of the job's progress.
    pub fn key(job: &Envelope) -> StateKey {
        saved_key("progress", job)
    }

    /// The state-store key of the progress of the job whose first life has this nonce.
    pub(crate) fn key_of(job: &JobKey, origin: &Nonce) -> StateKey {
        saved_key_of("progress", job, origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(done: u64, total: u64) -> Progress {
        let at = Timestamp::from_millis(0);
        Progress { done, total, message: String::new(), attempt: 1, at }
    }

    #[test]
    fn a_percent_is_reached_when_it_is_done() {
        for (done, total, percent) in [
            (0, 3, Some(0)),
            (1, 3, Some(33)),
            (2999, 3000, Some(99)),
            (3, 3, Some(100)),
            (4, 3, Some(100)),
            (7, 0, None),
            (u64::MAX - 1, u64::MAX, Some(99)),
        ] {
            assert_eq!(progress(done, total).percent(), percent, "{done} of {total}");
        }
        assert_eq!(progress(1, 4).share(), Some(0.25));
        assert_eq!(progress(1, 0).share(), None);
    }
}
