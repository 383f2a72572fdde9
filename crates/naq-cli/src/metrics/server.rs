//! [`MetricsServer`]: an HTTP server for a process that has no other.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use tokio::net::TcpListener;

use super::Exporter;
use crate::exit::{CliError, ExitCode};
use crate::readiness::{self, ReadinessProbe};
use crate::serve::{ServerBounds, serve};

/// The content type of Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The route `/metrics`.
pub(crate) fn route(exporter: Exporter, probe: Arc<dyn ReadinessProbe>) -> Router {
    let metrics = move || async move {
        probe.set_gauges();
        ([(CONTENT_TYPE, TEXT)], exporter.render())
    };
    Router::new().route("/metrics", get(metrics))
}

/// An open address, and the exporter of the process.
#[derive(Debug)]
pub(crate) struct MetricsServer {
    listener: TcpListener,
    exporter: Exporter,
}

impl MetricsServer {
    /// Opens the address, and records metrics from now on.
    ///
    /// # Errors
    /// The address is in use, or does not belong to this machine.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|err| {
            CliError::new(ExitCode::Failed, format!("cannot serve metrics on {address}: {err}"))
                .next("choose another address: --metrics IP:PORT")
        })?;
        let address = listener.local_addr()?;
        tracing::info!("metrics at http://{address}/metrics; also /healthz and /readyz");
        if !address.ip().is_loopback() {
            tracing::warn!(
                "other machines that reach {address} can read the metrics: names of queues and \
                 tasks, and counts"
            );
        }
        Ok(Self { listener, exporter: Exporter::install()? })
    }

    /// Serves until the process ends.
    pub(crate) fn start(self, probe: Arc<dyn ReadinessProbe>) {
        let exporter = self.exporter.clone();
        tokio::spawn(async move { exporter.run_upkeep().await });
        let routes = route(self.exporter, probe.clone()).merge(readiness::routes(probe));
        tokio::spawn(serve(self.listener, routes, ServerBounds::default(), std::future::pending()));
    }
}
