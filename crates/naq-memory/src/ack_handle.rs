//! Acks and renews one delivery.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use naq_core::transport::{AckHandle, Stored, TransportError};

use crate::transport::SharedBroker;

pub(crate) struct MemoryAckHandle {
    pub(crate) shared: Arc<SharedBroker>,
    /// The message that was delivered.
    pub(crate) stored: Stored,
}

#[async_trait]
impl AckHandle for MemoryAckHandle {
    async fn ack(&self) -> Result<(), TransportError> {
        self.shared.state().0.queue(&self.stored.key.queue).ack(&self.stored);
        self.shared.settled.notify_waiters();
        Ok(())
    }

    async fn renew(&self) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        state.queue(&self.stored.key.queue).renew(&self.stored, now);
        Ok(())
    }
}

impl fmt::Debug for MemoryAckHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryAckHandle({}, {})", self.stored.key, self.stored.seq)
    }
}
