//! The in-memory transport passes the contract suite.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_conformance::{Subject, contract_suite};
use naq_core::Clock;
use naq_core::testing::ManualClock;
use naq_core::transport::Transport;
use naq_memory::MemoryTransport;

struct Memory {
    clock: ManualClock,
    transport: MemoryTransport,
}

async fn memory() -> Memory {
    let clock = ManualClock::new();
    let transport = MemoryTransport::with_timer(Arc::new(clock.clone()));
    Memory { clock, transport }
}

#[async_trait]
impl Subject for Memory {
    fn transport(&self) -> Arc<dyn Transport> {
        Arc::new(self.transport.clone())
    }

    fn clock(&self) -> Arc<dyn Clock> {
        Arc::new(self.clock.clone())
    }

    fn lease(&self) -> Duration {
        Duration::from_secs(10)
    }

    async fn pass(&self, span: Duration) {
        self.clock.advance(span).await;
    }
}

contract_suite!(memory);
