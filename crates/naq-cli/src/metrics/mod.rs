//! Metrics for Prometheus, over HTTP.

mod args;
mod exporter;
mod server;

pub(crate) use args::MetricsArgs;
pub(crate) use exporter::Exporter;
pub(crate) use server::MetricsServer;
#[cfg(any(feature = "dashboard", feature = "gateway"))]
pub(crate) use server::route;
