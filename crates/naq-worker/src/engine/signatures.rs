//! [`Signatures`]: which queues of a worker take only signed jobs, and whose.

use std::collections::BTreeSet;

use naq_core::sign::{SignatureFault, TrustedKeys, verify};
use naq_core::{Envelope, QueueName};

/// Which queues take only signed jobs, and whose.
#[derive(Debug)]
pub(crate) struct Signatures {
    pub(crate) required: BTreeSet<QueueName>,
    pub(crate) trusted: TrustedKeys,
}

impl Signatures {
    /// Whether the job may run, as far as its signature is concerned. A job of any other queue may.
    pub(crate) fn check(&self, job: &Envelope) -> Result<(), SignatureFault> {
        match self.required.contains(&job.queue) {
            true => verify(job, &self.trusted).map(|_| ()),
            false => Ok(()),
        }
    }
}
