//! [`Sending`]: what is told of a job on its way to the broker. It is counted, and it has a span.

use naq_core::transport::{Receipt, TransportError};
use naq_core::wire::Envelope;

/// A job on its way. Costs nothing without the features `metrics` and `otel`.
#[derive(Debug)]
pub(crate) struct Sending {
    #[cfg(feature = "metrics")]
    counter: metrics::Counter,
    #[cfg(feature = "otel")]
    span: crate::trace::Sent,
}

impl Sending {
    /// Begins, and writes into the job what its attempts will be linked to.
    #[cfg_attr(not(any(feature = "metrics", feature = "otel")), expect(unused_variables))]
    pub(crate) fn begin(job: &mut Envelope) -> Self {
        Self {
            #[cfg(feature = "metrics")]
            counter: super::counter::enqueued(&job.queue, &job.task),
            #[cfg(feature = "otel")]
            span: crate::trace::Sent::begin(job),
        }
    }

    /// The broker has answered.
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
