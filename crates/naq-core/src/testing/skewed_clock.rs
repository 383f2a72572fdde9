//! [`SkewedClock`]: a clock that is wrong.

use std::time::Duration;

use async_trait::async_trait;

use crate::clock::{Clock, Timer, Timestamp};

/// A clock that shows another time than `C`, and runs as fast.
#[derive(Debug, Clone)]
pub struct SkewedClock<C> {
    right: C,
    ahead_ms: i64,
}

impl<C> SkewedClock<C> {
    /// A clock that is so many milliseconds ahead of `right`, or behind it.
    pub fn new(right: C, ahead_ms: i64) -> Self {
        Self { right, ahead_ms }
    }
}

fn shift(at: Timestamp, by_ms: i64) -> Timestamp {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    if by_ms < 0 { at.saturating_sub(by) } else { at + by }
}

impl<C: Clock> Clock for SkewedClock<C> {
    fn now(&self) -> Timestamp {
        shift(self.right.now(), self.ahead_ms)
    }
}

#[async_trait]
impl<C: Timer> Timer for SkewedClock<C> {
    async fn sleep_until(&self, at: Timestamp) {
        self.right.sleep_until(shift(at, self.ahead_ms.saturating_neg())).await;
    }
}
