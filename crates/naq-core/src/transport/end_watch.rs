//! [`EndWatch`]: the port that waits for the end of a job without polling.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Waits for the end of one job.
#[async_trait]
pub trait EndWatch: Send + fmt::Debug {
    /// Returns when a message was written that may be the end of the job, when one may have been missed,
    /// or after `wait`. The caller must then look at the job. Cancel safe: dropping the future loses
    /// nothing.
    async fn changed(&mut self, wait: Duration);
}
