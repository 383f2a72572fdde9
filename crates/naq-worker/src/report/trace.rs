//! [`Trace`]: the OpenTelemetry span of an attempt, linked to the span that sent the job. It is
//! empty without the feature `otel`.

#[cfg(feature = "otel")]
pub(crate) use on::Trace;

/// No span.
#[cfg(not(feature = "otel"))]
#[derive(Debug, Default)]
pub(crate) struct Trace;

#[cfg(not(feature = "otel"))]
impl Trace {
    pub(crate) fn begin(&self, _job: &naq_core::Envelope) {}

    pub(crate) fn in_span<F: Future>(&self, attempt: F) -> F {
        attempt
    }

    pub(crate) fn end(&self, _ending: &super::ObservedEnding) {}
}

#[cfg(feature = "otel")]
mod on {
    use std::sync::OnceLock;

    use naq_client::trace;
    use naq_core::Envelope;
    use naq_core::names::CHORES;
    use naq_core::stats::Ending;
    use opentelemetry::trace::{
        FutureExt, Link, SpanKind, Status, TraceContextExt, Tracer, WithContext,
    };
    use opentelemetry::{Context, KeyValue, global};

    use crate::report::ObservedEnding;

    /// The span `process <queue>` of one attempt. Each attempt is a trace of its own, since there
    /// may be days between two attempts. It is linked to the span that sent the job.
    #[derive(Debug, Default)]
    pub(crate) struct Trace(OnceLock<Context>);

    impl Trace {
        /// The handler is about to run.
        pub(crate) fn begin(&self, job: &Envelope) {
            if job.queue.as_str() == CHORES {
                return;
            }
            let mut attributes = trace::attributes(job, "process");
            attributes.push(KeyValue::new("naq.attempt", i64::from(job.attempt)));
            let sent = job.traceparent.as_deref().and_then(trace::parse);
            let tracer = global::tracer(trace::SCOPE);
            let span = tracer
                .span_builder(format!("process {}", job.queue))
                .with_kind(SpanKind::Consumer)
                .with_attributes(attributes)
                .with_links(sent.map(Link::with_context).into_iter().collect())
                .start_with_context(&tracer, &Context::new());
            // An attempt begins once.
            let _ = self.0.set(Context::new().with_span(span));
        }

        /// Runs the attempt inside its span, so that its calls and the jobs it sends are children.
        pub(crate) fn in_span<F: Future>(&self, attempt: F) -> WithContext<F> {
            attempt.with_context(self.0.get().cloned().unwrap_or_default())
        }

        /// Ends the span, with what was decided.
        pub(crate) fn end(&self, ending: &ObservedEnding) {
            let Some(context) = self.0.get() else { return };
            let span = context.span();
            span.set_attribute(KeyValue::new("naq.outcome", outcome(ending.ending)));
            if let Some(kind) = ending.error.as_deref().map(|error| &error.kind) {
                span.set_attribute(KeyValue::new("error.type", kind.to_string()));
                if ending.ending != Ending::Completed {
                    // The error message is left out: not every reader of traces may see what it
                    // contains.
                    span.set_status(Status::error(kind.to_string()));
                }
            }
            span.end();
        }
    }

    impl Drop for Trace {
        /// Ends the span of an attempt that was cut off. A span that has ended stays as it is.
        fn drop(&mut self) {
            self.end(&ObservedEnding::of(Ending::Interrupted));
        }
    }

    fn outcome(ending: Ending) -> &'static str {
        match ending {
            Ending::Completed => "success",
            Ending::Retried { .. } => "retry",
            Ending::Dead => "dead",
            Ending::Cancelled => "cancelled",
            Ending::Expired => "expired",
            Ending::Snoozed => "snoozed",
            Ending::HeldBack => "held_back",
            _ => "interrupted",
        }
    }
}
