//! Keep or drop a delivery.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::transport::Shared;
use crate::names::QueueName;
use crate::transport::{AckHandle, TransportError};

pub(super) struct MemoryHandle {
    pub(super) shared: Arc<Shared>,
    pub(super) queue: QueueName,
    pub(super) seq: u64,
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
