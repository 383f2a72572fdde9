//! [`Subject`]: the transport under test, and what the suite needs around it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::clock::Clock;
use naq_core::transport::Transport;

/// A transport under test.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The transport.
    fn transport(&self) -> Arc<dyn Transport>;

    /// The clock that the transport goes by.
    fn clock(&self) -> Arc<dyn Clock>;

    /// The lease that queues are opened with: long enough for a step of a test, short enough to be
    /// waited for.
    fn lease(&self) -> Duration;

    /// Lets time pass: moves the clock, or really waits.
    async fn pass(&self, span: Duration);

    /// Restarts the broker and returns once it is back; false where that cannot be done, and then
    /// the tests that need it pass without a look.
    async fn restart(&self) -> bool {
        false
    }
}
