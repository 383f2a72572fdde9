//! Serves the gateway at an address, also while there is no broker.

use std::net::TcpListener;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Result;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use naq_client::LargeArgs;
use naq_core::{Clock, SystemClock, Timer};
use naq_gateway::{Gateway, Options};
use tokio::sync::watch;

use super::key_file::KeyFile;
use super::probe::GatewayProbe;
use crate::connection::{ClientConfig, connect};
use crate::late_routes::LateRoutes;
#[cfg(feature = "metrics")]
use crate::metrics::{self, Exporter};
use crate::readiness;
use crate::serve::{ServerBounds, serve as serve_http};

/// How long requests that were begun may take after the stop signal.
const DRAIN: Duration = Duration::from_secs(30);
/// How often the file with the keys is read.
const READ_KEYS_EVERY: Duration = Duration::from_secs(2);
/// The answer while there is no broker.
const WAITING: &str = r#"{"type":"urn:naq:problem:broker-unavailable","title":"The broker does not answer","status":503,"detail":"the gateway waits for the broker","next":"send the request again"}"#;

/// Connects, and serves until `stop`. Then it takes no new connection, and ends when the requests that were
/// begun are answered, at the latest after 30 seconds.
///
/// # Errors
/// The broker refuses the connection. A broker that is not there yet is waited for.
pub(super) async fn serve(
    listener: TcpListener,
    config: ClientConfig,
    large_args: LargeArgs,
    keys: Option<KeyFile>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let stopped = stop_watch(stop);
    #[cfg(feature = "metrics")]
    let exporter = Exporter::install()?;
    let late = LateRoutes::new(waiting);
    let begun = Arc::new(OnceLock::new());
    let work = async {
        let client = connect(config).await?;
        let mut gateway = Gateway::new(client.large_args(large_args), Options::default());
        if let Some(file) = &keys {
            gateway = gateway.with_keys(file.keys().clone());
        }
        let probe = Arc::new(GatewayProbe(gateway.clone()));
        let status = readiness::routes(probe.clone());
        #[cfg(feature = "metrics")]
        let status = status.merge(metrics::route(exporter.clone(), probe));
        // First, so that a stop between the two drains it.
        let gateway: &Gateway = begun.get_or_init(|| gateway);
        late.set(gateway.router().merge(gateway.guard(status)));
        #[cfg(feature = "metrics")]
        let upkeep = exporter.run_upkeep();
        #[cfg(not(feature = "metrics"))]
        let upkeep = std::future::pending::<()>();
        tokio::join!(upkeep, watch_keys(keys, gateway));
        Ok::<_, anyhow::Error>(())
    };
    let stop = {
        let (begun, stopped) = (begun.clone(), stopped.clone());
        async move {
            ended(stopped).await;
            if let Some(gateway) = begun.get() {
                gateway.drain();
            }
        }
    };
    let too_long = async {
        ended(stopped).await;
        SystemClock.sleep_until(SystemClock.now() + DRAIN).await;
        tracing::warn!("requests were still running {DRAIN:?} after the stop signal");
    };
    let listener = tokio::net::TcpListener::from_std(listener)?;
    tokio::select! {
        () = serve_http(listener, late.router(), ServerBounds::default(), stop) => Ok(()),
        () = too_long => Ok(()),
        ended = work => ended,
    }
}

/// A channel that is closed when `stop` ends.
fn stop_watch(stop: impl Future<Output = ()> + Send + 'static) -> watch::Receiver<()> {
    let (sender, stopped) = watch::channel(());
    tokio::spawn(async move {
        stop.await;
        drop(sender);
    });
    stopped
}

async fn ended(mut stopped: watch::Receiver<()>) {
    // An error means that the sender is dropped.
    while stopped.changed().await.is_ok() {}
}

fn waiting() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "1")];
    (StatusCode::SERVICE_UNAVAILABLE, headers, WAITING).into_response()
}

/// Gives the gateway the keys of the file whenever they have changed. Never returns.
async fn watch_keys(file: Option<KeyFile>, gateway: &Gateway) {
    let Some(mut file) = file else { return std::future::pending().await };
    loop {
        SystemClock.sleep_until(SystemClock.now() + READ_KEYS_EVERY).await;
        if let Some(keys) = file.changed() {
            gateway.set_keys(keys);
        }
    }
}
