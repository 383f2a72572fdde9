//! [`Exporter`]: records the process's metrics and writes them as text.

use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use naq_core::metrics::{ALL, BUILD_INFO, Kind, describe};
use naq_core::{Clock, SystemClock, Timer};

/// How often measured values are moved into histogram buckets.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Records every metric of the process, and writes them in Prometheus' text format.
#[derive(Debug, Clone)]
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    /// Installs the exporter for the whole process. Call it before the first metric is used: what was
    /// measured before is lost.
    ///
    /// # Errors
    /// Another recorder is installed already.
    pub(crate) fn install() -> Result<Self> {
        let handle = builder()?.install_recorder().context("metrics are recorded already")?;
        describe();
        BUILD_INFO.gauge(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        Ok(Self(handle))
    }

    /// All metrics as text.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Moves measured values into buckets every few seconds, and never returns. Without it the
    /// exporter stores every single value until the next read of `/metrics`.
    pub(crate) async fn run_upkeep(&self) {
        loop {
            SystemClock.sleep_until(SystemClock.now() + UPKEEP_EVERY).await;
            self.0.run_upkeep();
        }
    }
}

fn builder() -> Result<PrometheusBuilder> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.into()), bounds)?;
        }
    }
    Ok(builder)
}
