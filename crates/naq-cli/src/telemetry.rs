//! Whether and where to send traces. The code that sends them needs the feature `otel`.

#[cfg(feature = "otel")]
mod http_poster;
#[cfg(feature = "otel")]
mod otlp;

use anyhow::Result;
use clap::Args;
#[cfg(feature = "otel")]
pub(crate) use otlp::Traces;

#[cfg(not(feature = "otel"))]
use crate::exit::CliError;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// Whether and where to send traces.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct TelemetryArgs {
    /// Send OpenTelemetry traces to this collector, by OTLP over HTTP, such as http://localhost:4318;
    /// needs the feature `otel`
    #[arg(long, global = true, env = ENDPOINT, value_name = "URL", hide_short_help = true)]
    otlp_endpoint: Option<String>,
}

impl TelemetryArgs {
    /// Starts to trace, until the returned value is dropped. Without an endpoint it returns `None`.
    ///
    /// # Errors
    /// The endpoint is not a valid address.
    #[cfg(feature = "otel")]
    pub(crate) fn start(&self) -> Result<Option<Traces>> {
        self.otlp_endpoint.as_deref().map(Traces::start).transpose()
    }

    /// Without the feature, `--otlp-endpoint` is an error. The variable alone is not: it may be set for
    /// other programs.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn start(&self) -> Result<Option<Traces>> {
        match &self.otlp_endpoint {
            Some(given) if std::env::var(ENDPOINT).ok().as_ref() != Some(given) => Err(
                CliError::usage("--otlp-endpoint: this naq was built without the feature `otel`")
                    .next("build it with that feature of naq-cli")
                    .into(),
            ),
            _ => Ok(None),
        }
    }
}

/// Takes the place of the real type in builds without the feature `otel`.
#[cfg(not(feature = "otel"))]
#[derive(Debug)]
pub(crate) struct Traces;

#[cfg(not(feature = "otel"))]
impl Traces {
    pub(crate) fn layer(&self) -> tracing_subscriber::layer::Identity {
        tracing_subscriber::layer::Identity::new()
    }
}
