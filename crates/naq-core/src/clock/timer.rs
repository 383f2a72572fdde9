//! [`Timer`]: a clock that can be waited on.

use async_trait::async_trait;

#[cfg(feature = "tokio")]
use super::SystemClock;
use super::{Clock, Timestamp};

/// A clock that can also be waited on.
#[async_trait]
pub trait Timer: Clock {
    /// Returns when `at` has come; at once if `at` is in the past.
    async fn sleep_until(&self, at: Timestamp);
}

#[cfg(feature = "tokio")]
#[async_trait]
impl Timer for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that sleeps")]
    async fn sleep_until(&self, at: Timestamp) {
        tokio::time::sleep(at.since(self.now())).await;
    }
}
