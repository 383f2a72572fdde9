//! The broker's clock: the one that all processes share.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::TransportError;

use crate::Client;

/// What the broker's clock shows, and how it differs from ours.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BrokerClock {
    /// The time by the broker's clock.
    pub(crate) now: Timestamp,
    #[cfg(feature = "schedules")]
    ahead_ms: i64,
}

impl BrokerClock {
    /// A time of the broker's as our clock will show it. Due times are told to a transport by ours.
    #[cfg(feature = "schedules")]
    pub(crate) fn ours(self, at: Timestamp) -> Timestamp {
        shift(at, self.ahead_ms.saturating_neg())
    }
}

impl Client {
    /// The broker's clock, as far as it is known; most often without a request.
    pub(crate) async fn broker_clock(&self) -> Result<BrokerClock, TransportError> {
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
