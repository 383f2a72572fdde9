//! [`Probe`]: what a process says when it is asked whether it is ready.

use std::sync::OnceLock;

use naq_worker::Health;

/// Asked for `/readyz`, and for what is only known in the moment when metrics are read.
pub(crate) trait Probe: Send + Sync + 'static {
    /// Whether it is ready.
    ///
    /// # Errors
    /// Why not, in a few words.
    fn ready(&self) -> Result<(), String>;

    /// Sets the metrics that nobody counts as they happen.
    fn refresh(&self);
}

/// A worker, from before it is connected.
#[derive(Debug, Default)]
pub(crate) struct WorkerProbe(OnceLock<Health>);

impl WorkerProbe {
    /// The worker is there.
    pub(crate) fn is(&self, health: Health) {
        // The first stays; there is one worker a process.
        let _ = self.0.set(health);
    }
}

impl Probe for WorkerProbe {
    fn ready(&self) -> Result<(), String> {
        let health = self.0.get().ok_or("starting: not connected to the broker yet")?;
        health.check().map_err(|reason| reason.to_string())
    }

    fn refresh(&self) {
        let connected = self.0.get().is_some_and(Health::is_connected);
        naq_core::metrics::set_connected(connected);
    }
}
