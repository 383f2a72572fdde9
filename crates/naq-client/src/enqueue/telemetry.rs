//! [`EnqueueTelemetry`]: counts an enqueued job, and traces its way to the broker.

use naq_core::transport::{Receipt, TransportError};
use naq_core::wire::Envelope;

/// The counter and the span of one job that is being sent. Empty without the features `metrics` and
/// `otel`.
#[derive(Debug)]
pub(crate) struct EnqueueTelemetry {
    #[cfg(feature = "metrics")]
    counter: metrics::Counter,
    #[cfg(feature = "otel")]
    span: crate::trace::SendSpan,
}

impl EnqueueTelemetry {
    /// Starts the span, and writes its trace context into the job: the spans of the job's attempts
    /// link to it.
    #[cfg_attr(not(any(feature = "metrics", feature = "otel")), expect(unused_variables))]
    pub(crate) fn begin(job: &mut Envelope) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            counter: super::counter::enqueued(&job.queue, &job.task),
            #[cfg(feature = "otel")]
            span: crate::trace::SendSpan::begin(job),
        }
    }

    /// Records the broker's answer.
    pub(crate) fn end(self, receipt: &Result<Receipt, TransportError>) {
        #[cfg(feature = "metrics")]
        if matches!(receipt, Ok(Receipt::Stored(_))) {
            self.counter.increment(1);
        }
        #[cfg(feature = "otel")]
        self.span.end(receipt);
        #[cfg(not(any(feature = "metrics", feature = "otel")))]
        let _ = receipt;
    }
}
