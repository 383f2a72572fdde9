//! Acks and renews one delivery.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use naq_core::names::QueueName;
use naq_core::transport::{AckHandle, TransportError};

use crate::transport::SharedBroker;

pub(crate) struct MemoryAckHandle {
    pub(crate) shared: Arc<SharedBroker>,
    pub(crate) queue: QueueName,
    pub(crate) seq: u64,
}

#[async_trait]
impl AckHandle for MemoryAckHandle {
    async fn ack(&self) -> Result<(), TransportError> {
        self.shared.state().0.queue(&self.queue).ack(self.seq);
        self.shared.settled.notify_waiters();
        Ok(())
    }

    async fn renew(&self) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        state.queue(&self.queue).renew(self.seq, now);
        Ok(())
    }
}

impl fmt::Debug for MemoryAckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryAckHandle({}, {})", self.queue, self.seq)
    }
}
