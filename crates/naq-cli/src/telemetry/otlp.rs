//! [`Traces`]: the process's tracer, which sends its spans to a collector.

use anyhow::{Context, Result};
use opentelemetry::global;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

use super::http_poster::HttpPoster;
use crate::exit::CliError;

/// Traces until it is dropped. The drop sends the last spans.
#[derive(Debug)]
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts to send spans to the collector at `endpoint`, from a separate thread.
    ///
    /// # Errors
    /// `endpoint` is not a valid address.
    pub(super) fn start(endpoint: &str) -> Result<Self> {
        if !endpoint.starts_with("http://") {
            return Err(CliError::usage("--otlp-endpoint: only http:// is supported")
                .next("send to a collector on this machine, such as http://localhost:4318, and let it forward by TLS")
                .into());
        }
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(HttpPoster::default())
            .with_protocol(Protocol::HttpJson)
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .build()
            .context("--otlp-endpoint")?;
        let mut resource = Resource::builder();
        if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
            resource = resource.with_service_name("naq");
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(exporter)
            .build();
        global::set_tracer_provider(provider.clone());
        Ok(Self(provider))
    }

    /// A layer that adds the handlers' own `tracing` spans to the trace of their attempt. NAQ's spans
    /// are in the trace without it.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let tracer = self.0.tracer("tracing");
        tracing_opentelemetry::layer().with_tracer(tracer).with_filter(filter_fn(is_of_handler))
    }
}

fn is_of_handler(it: &Metadata<'_>) -> bool {
    it.is_span() && *it.level() <= Level::INFO && !it.target().starts_with("naq_")
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(err) = self.0.shutdown() {
            tracing::debug!("the last traces could not be sent: {err}");
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry::Context;
    use opentelemetry::trace::{SpanContext, TraceContextExt};
    use opentelemetry_sdk::trace::InMemorySpanExporter;
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::registry;

    use super::*;

    #[test]
    fn a_handlers_own_spans_join_its_attempt_and_naqs_spans_are_not_sent_twice() {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        let traces = Traces(provider);
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let attempt: SpanContext = naq_client::trace::parse(text).expect("well formed");
        let inside = Context::new().with_remote_span_context(attempt.clone()).attach();
        tracing::subscriber::with_default(registry().with(traces.layer()), || {
            let naqs = tracing::info_span!(target: "naq_worker::story", "attempt").entered();
            tracing::info_span!(target: "app", "charge").in_scope(|| tracing::info!("not a span"));
            tracing::debug_span!(target: "app", "detail").in_scope(|| {});
            drop(naqs);
        });
        drop(inside);
        let spans = exporter.get_finished_spans().expect("spans");
        let [span] = &spans[..] else { panic!("{spans:#?}") };
        assert_eq!((span.name.as_ref(), span.parent_span_id), ("charge", attempt.span_id()));
    }
}
