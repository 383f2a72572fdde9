//! [`BatchItem`]: one letter or one waiting job, named on its own.

use naq_core::names::JobKey;
use naq_core::transport::Stored;
use serde::{Deserialize, Serialize};

/// The most letters or jobs that a batch can name one by one.
pub const MAX_SELECTED: usize = 1000;

/// One dead letter, or one waiting message of a job.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchItem {
    /// The job.
    pub job: JobKey,
    /// The sequence of its letter or message.
    pub seq: u64,
}

impl From<&Stored> for BatchItem {
    fn from(stored: &Stored) -> Self {
        Self { job: stored.key.clone(), seq: stored.seq }
    }
}
