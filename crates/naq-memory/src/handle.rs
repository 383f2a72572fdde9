//! Keep or drop a delivery.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use naq_core::names::QueueName;
use naq_core::transport::{AckHandle, TransportError};

use crate::transport::Shared;

pub(crate) struct MemoryHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) queue: QueueName,
    pub(crate) seq: u64,
}

#[async_trait]
impl AckHandle for MemoryHandle {
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

impl fmt::Debug for MemoryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryHandle({}, {})", self.queue, self.seq)
    }
}
