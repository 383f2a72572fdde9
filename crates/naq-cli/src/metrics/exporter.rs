//! [`Exporter`]: the process's recorder of metrics, and their text.

use anyhow::{Context, Result};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use naq_core::metrics::{ALL, BUILD_INFO, Kind, describe};

/// Hears of every metric, and writes them as Prometheus reads them.
#[derive(Debug, Clone)]
pub(crate) struct Exporter(PrometheusHandle);

impl Exporter {
    /// Installs it for the whole process. Metrics that were asked for before count nowhere, so this
    /// comes before whatever they measure.
    ///
    /// # Errors
    /// When a recorder is there already.
    pub(crate) fn install() -> Result<Self> {
        let handle = builder()?.install_recorder().context("metrics are recorded already")?;
        describe();
        BUILD_INFO.gauge(&[env!("CARGO_PKG_VERSION")]).set(1.0);
        Ok(Self(handle))
    }

    /// The text.
    pub(crate) fn render(&self) -> String {
        self.0.render()
    }

    /// Moves what was measured into the buckets. To be called now and then also when nobody asks
    /// for the text: until then every single value is kept.
    pub(crate) fn tidy(&self) {
        self.0.run_upkeep();
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
