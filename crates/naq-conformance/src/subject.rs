//! [`Subject`]: a transport under test, with its clock and its broker. Not a NATS subject.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use naq_core::clock::Clock;
use naq_core::transport::Transport;

/// A transport under test. Each test gets a new one.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The transport.
    fn transport(&self) -> Arc<dyn Transport>;

    /// The clock that the transport uses.
    fn clock(&self) -> Arc<dyn Clock>;

    /// The lease of the queues: longer than a step of a test takes, and short enough to wait for.
    fn lease(&self) -> Duration;

    /// Lets time pass: moves a manual clock, or waits.
    async fn pass(&self, span: Duration);

    /// Restarts the broker and returns once it is back. False if the broker cannot be restarted; then
    /// the tests that need a restart pass without a check.
    async fn restart(&self) -> bool {
        false
    }
}
