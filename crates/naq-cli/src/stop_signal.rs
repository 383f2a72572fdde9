//! When a server stops.

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

/// A future that ends on SIGINT or SIGTERM. The signals are caught from the call on, so a signal right
/// after the start is not missed.
///
/// # Errors
/// The system refuses to register the signals.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
