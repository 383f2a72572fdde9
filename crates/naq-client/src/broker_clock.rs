//! The broker's clock: the one clock that all processes share.

use std::time::Duration;

use naq_core::clock::{Clock, Timestamp};
use naq_core::transport::{Lookup, TransportError};

use crate::Client;

/// The broker's time, and the difference between its clock and the client's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BrokerClock {
    /// The time by the broker's clock.
    pub(crate) now: Timestamp,
    #[cfg(feature = "schedules")]
    ahead_ms: i64,
}

impl BrokerClock {
    /// The broker's clock as last measured. Most calls need no request.
    pub(crate) async fn read(
        lookup: &dyn Lookup,
        our_clock: &dyn Clock,
    ) -> Result<Self, TransportError> {
        let ahead_ms = lookup.broker().await?.clock_ahead_ms;
        Ok(Self {
            now: shift(our_clock.now(), ahead_ms),
            #[cfg(feature = "schedules")]
            ahead_ms,
        })
    }

    /// Converts a time of the broker's clock into a time of ours. A transport takes due times by
    /// our clock.
    #[cfg(feature = "schedules")]
    pub(crate) fn to_our_clock(self, at: Timestamp) -> Timestamp {
        shift(at, self.ahead_ms.saturating_neg())
    }
}

impl Client {
    pub(crate) async fn broker_clock(&self) -> Result<BrokerClock, TransportError> {
        BrokerClock::read(&*self.transport, &*self.clock).await
    }
}

fn shift(at: Timestamp, by_ms: i64) -> Timestamp {
    let by = Duration::from_millis(by_ms.unsigned_abs());
    if by_ms < 0 { at.saturating_sub(by) } else { at + by }
}
