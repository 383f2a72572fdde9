//! Traces through the OpenTelemetry API: the span of sending a job, and the W3C trace context in the
//! job's envelope that links its attempts to that span. A program that installs no tracer gets
//! neither.

use naq_core::transport::{Receipt, TransportError};
use naq_core::wire::Envelope;
use opentelemetry::global::{self, BoxedSpan};
use opentelemetry::trace::{
    Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState,
    Tracer,
};
use opentelemetry::{Context, KeyValue};

/// The instrumentation scope of NAQ's spans.
pub const SCOPE: &str = "naq";

/// Reads a text that [`traceparent`] has written; `None` for any other text.
///
/// ```
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let context = naq_client::trace::parse(text).expect("well formed");
/// assert!(context.is_remote() && context.is_sampled());
/// assert_eq!(naq_client::trace::traceparent(&context), text);
/// ```
pub fn parse(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.trim().split('-');
    let mut hex = |digits: usize| {
        parts.next().filter(|it| it.len() == digits && it.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    let version = hex(2)?;
    let trace = hex(32)?;
    let span = hex(16)?;
    let flags = hex(2)?;
    // Later versions may add parts after these four.
    if version == "ff" || (version == "00" && parts.next().is_some()) {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let trace = TraceId::from_hex(trace).ok()?;
    let span = SpanId::from_hex(span).ok()?;
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

/// The context as text, in the form of W3C Trace Context.
pub fn traceparent(context: &SpanContext) -> String {
    let (trace, span) = (context.trace_id(), context.span_id());
    format!("00-{trace}-{span}-{:02x}", context.trace_flags().to_u8())
}

/// The attributes that all spans of a job have.
pub fn attributes(job: &Envelope, operation: &'static str) -> Vec<KeyValue> {
    vec![
        KeyValue::new("messaging.system", "nats"),
        KeyValue::new("messaging.destination.name", job.queue.to_string()),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.message.id", job.id.to_string()),
        KeyValue::new("naq.job_id", job.id.to_string()),
        KeyValue::new("naq.task", job.task.to_string()),
    ]
}

/// The span `send <queue>`: from the writing of the job until the broker's answer.
#[derive(Debug)]
pub(crate) struct SendSpan(BoxedSpan);

impl SendSpan {
    /// Starts the span as a child of the job's trace context, or else of the caller's, and writes
    /// its own context into the job.
    pub(crate) fn begin(job: &mut Envelope) -> Self {
        let given = job.traceparent.as_deref().and_then(parse);
        let parent = given.map(|given| Context::new().with_remote_span_context(given));
        let tracer = global::tracer(SCOPE);
        let span = tracer
            .span_builder(format!("send {}", job.queue))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes(job, "send"))
            .start_with_context(&tracer, &parent.unwrap_or_else(Context::current));
        if span.span_context().is_valid() {
            job.traceparent = Some(traceparent(span.span_context()));
        }
        Self(span)
    }

    pub(crate) fn end(mut self, receipt: &Result<Receipt, TransportError>) {
        match receipt {
            Ok(Receipt::Stored(_)) => {}
            Ok(Receipt::Duplicate) => self.0.set_attribute(KeyValue::new("naq.duplicate", true)),
            Err(err) => self.0.set_status(Status::error(err.to_string())),
        }
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_not_a_trace_context_is_none() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
        assert!(parse(good).is_some_and(|context| !context.is_sampled()));
        assert!(parse(&good.replacen("00", "01", 1)).is_some());
        assert!(parse(&format!("{}-more", good.replacen("00", "01", 1))).is_some());
        for bad in [
            String::new(),
            "hello".into(),
            format!("{good}-more"),
            good.replacen("00", "ff", 1),
            good.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
            good.replace("b7ad6b7169203331", &"0".repeat(16)),
            good.replace("b7ad6b7169203331", "+7ad6b7169203331"),
            good.replace('b', "g"),
        ] {
            assert_eq!(parse(&bad), None, "{bad}");
        }
    }
}
