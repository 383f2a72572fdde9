//! What a [`FaultyTransport`](super::FaultyTransport) delivers over time: deliveries with their acks, and changes of
//! the state store. Each call follows the plan.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;

use super::Op;
use super::faulty::Faults;
use crate::transport::{
    AckHandle, Delivery, StateChange, StateWatch, Subscription, TransportError,
};

pub(super) struct FaultySubscription {
    pub(super) inner: Box<dyn Subscription>,
    pub(super) faults: Arc<Faults>,
}

impl FaultySubscription {
    pub(super) fn wrap(faults: &Arc<Faults>, delivery: Delivery) -> Delivery {
        let cuts = faults.cuts.load(Ordering::Relaxed);
        let handle = FaultyAckHandle { inner: delivery.handle, faults: faults.clone(), cuts };
        Delivery { handle: Arc::new(handle), ..delivery }
    }
}

#[async_trait]
impl Subscription for FaultySubscription {
    async fn fetch(&mut self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let fetched = self.inner.fetch(max, wait);
        // Without a wish it is no fetch, only a look at what an earlier one brings.
        let op = if max == 0 { Op::Other } else { Op::Fetch };
        let deliveries = self.faults.pass(op, Vec::new, fetched).await?;
        Ok(deliveries.into_iter().map(|delivery| Self::wrap(&self.faults, delivery)).collect())
    }

    fn lease(&self) -> Duration {
        self.inner.lease()
    }

    fn limit(&self) -> Option<u64> {
        self.inner.limit()
    }

    async fn close(self: Box<Self>) -> Vec<Delivery> {
        let Self { inner, faults } = *self;
        let left = inner.close().await;
        left.into_iter().map(|delivery| Self::wrap(&faults, delivery)).collect()
    }
}

impl fmt::Debug for FaultySubscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultySubscription").field(&self.inner).finish()
    }
}

struct FaultyAckHandle {
    inner: Arc<dyn AckHandle>,
    faults: Arc<Faults>,
    /// How often the connection had been cut when the delivery arrived.
    cuts: u64,
}

#[async_trait]
impl AckHandle for FaultyAckHandle {
    async fn ack(&self) -> Result<(), TransportError> {
        self.faults.pass(Op::Ack, || (), self.inner.ack()).await
    }

    async fn renew(&self) -> Result<(), TransportError> {
        self.faults.pass(Op::Renew, || (), self.inner.renew()).await
    }

    fn is_current(&self) -> bool {
        self.cuts == self.faults.cuts.load(Ordering::Relaxed) && self.inner.is_current()
    }
}

impl fmt::Debug for FaultyAckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FaultyAckHandle").field(&self.inner).finish()
    }
}

/// A watch that is broken off with the connection.
pub(super) struct FaultyStateWatch {
    pub(super) inner: Box<dyn StateWatch>,
    pub(super) faults: Arc<Faults>,
}

#[async_trait]
impl StateWatch for FaultyStateWatch {
    async fn next(&mut self) -> Option<StateChange> {
        tokio::select! {
            biased;
            _ = self.faults.down() => None,
            change = self.inner.next() => change,
        }
    }
}

impl fmt::Debug for FaultyStateWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}
