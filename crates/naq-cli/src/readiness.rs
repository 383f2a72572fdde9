//! [`ReadinessProbe`]: whether a process is ready for work, for `/readyz`.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::get;

/// Says whether a process is ready, and sets the gauges that are only measured when metrics are read.
pub(crate) trait ReadinessProbe: Send + Sync + 'static {
    /// Whether the process is alive: only a restart helps one that is not.
    fn is_alive(&self) -> bool;

    /// Whether the process is ready.
    ///
    /// # Errors
    /// The reason why not, in a few words.
    fn ready(&self) -> Result<(), String>;

    /// Sets the gauges that no event updates.
    #[cfg(feature = "metrics")]
    fn set_gauges(&self);
}

/// The routes `/healthz`, which says whether the process is alive, and `/readyz`.
pub(crate) fn routes(probe: Arc<dyn ReadinessProbe>) -> Router {
    let alive = {
        let probe = probe.clone();
        move || async move {
            if probe.is_alive() {
                "alive\n".into_response()
            } else {
                let why = "the connection to the broker has ended, and no new one is open yet\n";
                (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
            }
        }
    };
    let ready = move || async move {
        match probe.ready() {
            Ok(()) => "ready\n".into_response(),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        }
    };
    Router::new().route("/healthz", get(alive)).route("/readyz", get(ready))
}

/// The probe of a worker. It exists before the worker is connected.
#[cfg(feature = "metrics")]
#[derive(Debug, Default)]
pub(crate) struct WorkerProbe(std::sync::OnceLock<naq_worker::Health>);

#[cfg(feature = "metrics")]
impl WorkerProbe {
    /// Sets the worker's health, once it is connected.
    pub(crate) fn set(&self, health: naq_worker::Health) {
        // A process has one worker. A second call would not replace the first value.
        let _ = self.0.set(health);
    }
}

#[cfg(feature = "metrics")]
impl ReadinessProbe for WorkerProbe {
    fn is_alive(&self) -> bool {
        // A process that still waits for its first connection is alive.
        self.0.get().is_none_or(naq_worker::Health::is_alive)
    }

    fn ready(&self) -> Result<(), String> {
        let health = self.0.get().ok_or("starting: not connected to the broker yet")?;
        health.check().map_err(|reason| reason.to_string())
    }

    fn set_gauges(&self) {
        let connected = self.0.get().is_some_and(naq_worker::Health::is_connected);
        naq_core::metrics::set_connected(connected);
    }
}
