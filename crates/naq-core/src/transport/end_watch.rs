//! [`EndWatch`]: told when a job may have ended, without asking over and over.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// Hears of the end of one job.
#[async_trait]
pub trait EndWatch: Send + fmt::Debug {
    /// Returns once something was written that may be the end of the job, or something may have been
    /// missed, and after `wait` at the latest. A hint, no more: look then. Nothing is lost when this
    /// is dropped before it is done.
    async fn changed(&mut self, wait: Duration);
}
