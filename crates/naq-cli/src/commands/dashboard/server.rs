//! [`DashboardServer`]: serves the dashboard at an address, also while there is no broker.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use anyhow::Result;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use naq_dashboard::{Dashboard, Options};

use super::probe::DashboardProbe;
use crate::connection::{ClientConfig, connect};
use crate::late_routes::LateRoutes;
use crate::listen;
#[cfg(feature = "metrics")]
use crate::metrics::{self, Exporter};
use crate::readiness;
use crate::serve::{ServerBounds, serve};

/// The page that is served while there is no broker. It shows no data, so it needs no login.
const WAITING: &str = "<!doctype html><meta charset=\"utf-8\"><title>NAQ waits</title>\
    <h1>Waiting for the broker</h1><p>NAQ cannot reach the broker yet. This page reloads by itself, \
    and shows the dashboard as soon as the broker answers. To find out what is wrong, run \
    <code>naq doctor</code>.</p>";

/// An open address, at which the dashboard will be served.
#[derive(Debug)]
pub(crate) struct DashboardServer {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl DashboardServer {
    /// Opens the address. `way_out` is the option that selects another one.
    ///
    /// # Errors
    /// The address is in use, or does not belong to this machine.
    pub(crate) fn open(address: SocketAddr, options: Options, way_out: &str) -> Result<Self> {
        let listener = listen::open(address, "dashboard", way_out)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, options })
    }

    /// The URL for a browser on this machine.
    pub(crate) fn url(&self) -> String {
        let address = listen::reachable(self.address);
        let path = if self.options.prefix.is_empty() { "/" } else { &self.options.prefix };
        format!("http://{address}{path}")
    }

    /// Connects, and serves until `stop`. While there is no broker, it serves a page that says so.
    ///
    /// # Errors
    /// The broker refuses the connection. A broker that is not there yet is waited for.
    pub(crate) async fn serve(
        self,
        config: impl Into<ClientConfig>,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        #[cfg(feature = "metrics")]
        let exporter = Exporter::install()?;
        let late = LateRoutes::new(waiting);
        let work = async {
            let client = connect(config).await?;
            let prefix = self.options.prefix.clone();
            let dashboard = Dashboard::new(client, self.options)?;
            let probe = Arc::new(DashboardProbe(dashboard.clone()));
            let status = readiness::routes(probe.clone());
            #[cfg(feature = "metrics")]
            let status = status.merge(metrics::route(exporter.clone(), probe));
            let mut routes = dashboard.router().merge(dashboard.guard(status));
            if !prefix.is_empty() {
                let home = prefix.clone();
                routes = routes.route("/", get(async move || Redirect::temporary(&home)));
            }
            late.set(routes);
            #[cfg(feature = "metrics")]
            exporter.run_upkeep().await;
            #[cfg(not(feature = "metrics"))]
            std::future::pending::<()>().await;
            Ok::<_, anyhow::Error>(())
        };
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        // No graceful shutdown: live streams never end by themselves.
        tokio::select! {
            () = serve(listener, late.router(), ServerBounds::default(), std::future::pending()) => Ok(()),
            () = stop => Ok(()),
            ended = work => ended,
        }
    }
}

/// The page while there is no broker. It loads itself again.
fn waiting() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFRESH, "2"),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, WAITING).into_response()
}
