//! [`World`]: an in-memory broker with a manual clock, and a client of it. Each test file adds its own
//! steps.

use std::sync::Arc;

use naq_client::Client;
use naq_core::testing::ManualClock;
use naq_memory::MemoryTransport;

#[derive(Clone)]
pub(crate) struct World {
    pub(crate) clock: ManualClock,
    pub(crate) broker: MemoryTransport,
    pub(crate) client: Client,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let broker = MemoryTransport::with_timer(Arc::new(clock.clone()));
        let client = Client::new(Arc::new(broker.clone())).clock(Arc::new(clock.clone()));
        Self { clock, broker, client }
    }
}
