//! Metrics for Prometheus, and whether this process is alive and ready, over HTTP.

mod args;
mod exporter;
mod probe;
mod server;

pub(crate) use args::MetricsArgs;
pub(crate) use exporter::Exporter;
pub(crate) use probe::{Probe, WorkerProbe};
pub(crate) use server::{Server, routes};
