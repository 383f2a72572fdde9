//! [`BrokerClock`]: the one clock that all processes share.

use std::sync::Arc;

use async_trait::async_trait;

use super::Lookup;
use crate::clock::{Clock, Timer, Timestamp};

/// The broker's clock, as this process knows it. Client and worker decide by it alone, so that a
/// machine whose clock is wrong starts nothing early, and ends nothing early or late.
///
/// Until the clocks are compared it shows the time of this machine's clock. A wait takes as long as
/// the machine's clock says that it takes.
#[derive(Debug)]
pub struct BrokerClock<L: ?Sized, C: ?Sized> {
    broker: Arc<L>,
    machine: Arc<C>,
}

impl<L: ?Sized, C: ?Sized> BrokerClock<L, C> {
    /// The clock of this broker. `machine` is the clock of this process.
    pub fn new(broker: Arc<L>, machine: Arc<C>) -> Self {
        Self { broker, machine }
    }
}

impl<L, C> Clock for BrokerClock<L, C>
where
    L: Lookup + std::fmt::Debug + ?Sized,
    C: Clock + ?Sized,
{
    fn now(&self) -> Timestamp {
        self.broker.broker_now().unwrap_or_else(|| self.machine.now())
    }
}

#[async_trait]
impl<L, C> Timer for BrokerClock<L, C>
where
    L: Lookup + std::fmt::Debug + ?Sized,
    C: Timer + ?Sized,
{
    async fn sleep_until(&self, at: Timestamp) {
        let wait = at.since(self.now());
        self.machine.sleep_until(self.machine.now() + wait).await;
    }
}
