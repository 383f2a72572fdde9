//! [`Site`]: the dashboard at an address, also before there is a broker.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use naq_core::{Clock, SystemClock, Timer};
use naq_dashboard::{Dashboard, Options};
use naq_nats::NatsConfig;
use tokio::sync::oneshot;

use super::probe::DashboardProbe;
use crate::connection::connect;
use crate::exit::{Exit, Problem};
use crate::metrics::{self, Exporter};
use crate::serve::{Bounds, serve};

/// How long the page that waits for the broker may take for its last answer.
const LAST_ANSWER: Duration = Duration::from_secs(1);
/// How often what was measured is moved into buckets when nobody asks for it.
const TIDY: Duration = Duration::from_secs(5);

/// Says nothing that a page elsewhere could use, so that it needs no guards.
const WAITING: &str = "<!doctype html><meta charset=\"utf-8\"><title>NAQ waits</title>\
    <h1>Waiting for the broker</h1><p>It cannot be reached yet. This page loads again by itself, and \
    the dashboard comes as soon as the broker is there. <code>naq doctor</code> says what is between \
    them.</p>";

/// An address that is open.
#[derive(Debug)]
pub(crate) struct Site {
    listener: TcpListener,
    address: SocketAddr,
    options: Options,
}

impl Site {
    /// Opens the address; `way_out` is the option that takes another.
    ///
    /// # Errors
    /// That it is taken, or is not one of this machine.
    pub(crate) fn open(address: SocketAddr, options: Options, way_out: &str) -> Result<Self> {
        let listener = TcpListener::bind(address).map_err(|err| {
            Problem::new(Exit::Failed, format!("the dashboard cannot listen on {address}: {err}"))
                .next(format!("take another port, or a free one: {way_out}"))
        })?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, options })
    }

    /// Where a browser on this machine finds it.
    pub(crate) fn url(&self) -> String {
        let ip: IpAddr = match self.address.ip() {
            ip if !ip.is_unspecified() => ip,
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        let address = SocketAddr::new(ip, self.address.port());
        format!("http://{address}{}/", self.options.prefix)
    }

    /// Connects, and serves until `stop`. While there is no broker, the page says so.
    ///
    /// # Errors
    /// What the broker has against the connection, other than not being there.
    pub(crate) async fn serve(
        self,
        config: NatsConfig,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> Result<()> {
        let mut stop = Box::pin(stop);
        let exporter = Exporter::install()?;
        let (connected, waiting_ends) = oneshot::channel::<()>();
        let waits = waiting(self.listener.try_clone()?, waiting_ends)?;
        let client = tokio::select! {
            client = connect(config) => client?,
            () = &mut stop => return Ok(()),
        };
        drop(connected);
        // The first page waits for its last answer, so that no request falls between the two.
        let _ = tokio::time::timeout(LAST_ANSWER, waits).await;
        let prefix = self.options.prefix.clone();
        let dashboard = Dashboard::new(client, self.options)?;
        let probe = Arc::new(DashboardProbe(dashboard.clone()));
        let beside = dashboard.guard(metrics::routes(exporter.clone(), probe));
        let mut routes = dashboard.router().merge(beside);
        if !prefix.is_empty() {
            let home = format!("{prefix}/");
            routes = routes.route("/", get(async move || Redirect::temporary(&home)));
        }
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        // Live streams have no end of their own: what is open is cut off.
        tokio::select! {
            () = serve(listener, routes, Bounds::default(), std::future::pending()) => Ok(()),
            () = stop => Ok(()),
            () = tidy(&exporter) => Ok(()),
        }
    }
}

/// Never returns.
async fn tidy(exporter: &Exporter) {
    loop {
        SystemClock.sleep_until(SystemClock.now() + TIDY).await;
        exporter.tidy();
    }
}

/// Answers that the broker is waited for, until the sender is dropped.
fn waiting(
    listener: TcpListener,
    until: oneshot::Receiver<()>,
) -> Result<tokio::task::JoinHandle<()>> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let page = || async {
        let headers = [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CACHE_CONTROL, "no-store"),
            (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
            (header::REFRESH, "2"),
            (header::CONNECTION, "close"),
        ];
        (StatusCode::SERVICE_UNAVAILABLE, headers, WAITING).into_response()
    };
    let routes = Router::new().route("/healthz", get(async || "alive\n")).fallback(page);
    Ok(tokio::spawn(async move {
        serve(listener, routes, Bounds::default(), async { drop(until.await) }).await;
    }))
}

/// Returns on SIGINT and SIGTERM.
pub(crate) async fn told_to_stop() {
    #[cfg(unix)]
    let terminated = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
