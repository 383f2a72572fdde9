//! The routes, and a server of their own for a process that has no other.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use naq_core::{Clock, SystemClock, Timer};
use tokio::net::TcpListener;

use super::{Exporter, Probe};
use crate::exit::{Exit, Problem};
use crate::serve::{Bounds, serve};

/// How often what was measured is moved into buckets when nobody asks for it.
const TIDY: Duration = Duration::from_secs(5);

/// Prometheus' text format.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/metrics`, `/healthz` and `/readyz`, to serve alone or beside others.
pub(crate) fn routes(exporter: Exporter, probe: Arc<dyn Probe>) -> Router {
    let read = probe.clone();
    let metrics = move || async move {
        read.refresh();
        ([(CONTENT_TYPE, TEXT)], exporter.render())
    };
    let ready = move || async move {
        match probe.ready() {
            Ok(()) => "ready\n".into_response(),
            Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        }
    };
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(ready))
}

/// An address that is open, and the process's metrics.
#[derive(Debug)]
pub(crate) struct Server {
    listener: TcpListener,
    exporter: Exporter,
}

impl Server {
    /// Opens the address, and records metrics from now on.
    ///
    /// # Errors
    /// That it is taken, or is not one of this machine.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await.map_err(|err| {
            Problem::new(Exit::Failed, format!("cannot serve metrics on {address}: {err}"))
                .next("choose another address: --metrics IP:PORT")
        })?;
        let address = listener.local_addr()?;
        tracing::info!("metrics on http://{address}/metrics, beside /healthz and /readyz");
        if !address.ip().is_loopback() {
            tracing::warn!(
                "metrics can be read by whoever reaches {address}: names of queues and tasks, and \
                 numbers"
            );
        }
        Ok(Self { listener, exporter: Exporter::install()? })
    }

    /// Serves for as long as the process lives.
    pub(crate) fn start(self, probe: Arc<dyn Probe>) {
        let exporter = self.exporter.clone();
        tokio::spawn(async move {
            loop {
                SystemClock.sleep_until(SystemClock.now() + TIDY).await;
                exporter.tidy();
            }
        });
        let routes = routes(self.exporter, probe);
        tokio::spawn(serve(self.listener, routes, Bounds::default(), std::future::pending()));
    }
}
