//! The broker's clock: the one that all processes share.

use std::time::Duration;

use super::Client;
use crate::clock::Timestamp;
use crate::transport::TransportError;

/// What the broker's clock shows, and how it differs from ours.
#[derive(Debug, Clone, Copy)]
pub(super) struct BrokerClock {
    /// The time by the broker's clock.
    pub(super) now: Timestamp,
    #[cfg(feature = "schedules")]
    ahead_ms: i64,
}

impl BrokerClock {
    /// A time of the broker's as our clock will show it. Due times are told to a transport by ours.
    #[cfg(feature = "schedules")]
    pub(super) fn ours(self, at: Timestamp) -> Timestamp {
        shift(at, self.ahead_ms.saturating_neg())
    }
}

impl Client {
    /// The broker's clock, as far as it is known; most often without a request.
    pub(super) async fn broker_clock(&self) -> Result<BrokerClock, TransportError> {
        let ahead_ms = self.transport.broker().await?.clock_ahead_ms;
        Ok(BrokerClock {
            now: shift(self.clock.now(), ahead_ms),
            #[cfg(feature = "schedules")]
            ahead_ms,
        })
    }
}

fn shift(at: Timestamp, by_ms: i64) -> Timestamp {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    if by_ms < 0 { at.saturating_sub(by) } else { at + by }
}
