//! Traces: where they are sent, if anywhere. What sends them comes with the feature `otel`.

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

/// Where traces go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Logging")]
pub(crate) struct TelemetryArgs {
    /// Send OpenTelemetry traces there, by OTLP over HTTP, as http://localhost:4318; needs the
    /// feature `otel`
    #[arg(long, global = true, env = ENDPOINT, value_name = "URL", hide_short_help = true)]
    otlp_endpoint: Option<String>,
}

impl TelemetryArgs {
    /// Begins to trace, until what is returned is dropped; nothing where no endpoint is given.
    ///
    /// # Errors
    /// A [`CliError`](crate::exit::CliError) with the endpoint.
    #[cfg(feature = "otel")]
    pub(crate) fn start(&self) -> Result<Option<Traces>> {
        self.otlp_endpoint.as_deref().map(Traces::start).transpose()
    }

    /// The same without anything that could trace: an endpoint from the environment is for others.
    #[cfg(not(feature = "otel"))]
    pub(crate) fn start(&self) -> Result<Option<Traces>> {
        match &self.otlp_endpoint {
            Some(given) if std::env::var(ENDPOINT).ok().as_ref() != Some(given) => {
                Err(CliError::usage("--otlp-endpoint: this naq is built without traces")
                    .next("build it with the feature `otel` of naq-cli")
                    .into())
            }
            _ => Ok(None),
        }
    }
}

/// No traces.
#[cfg(not(feature = "otel"))]
#[derive(Debug)]
pub(crate) struct Traces;

#[cfg(not(feature = "otel"))]
impl Traces {
    pub(crate) fn layer(&self) -> tracing_subscriber::layer::Identity {
        tracing_subscriber::layer::Identity::new()
    }
}
