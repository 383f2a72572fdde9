//! Statistics: what workers tell of their attempts, kept for a day.

use std::time::Duration;

use async_trait::async_trait;

use super::TransportError;
use crate::stats::StatsReport;

/// How long a report is kept.
pub const STATS_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// Reports, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatsPage {
    /// The reports.
    pub reports: Vec<StatsReport>,
    /// Where to go on: after all that was read.
    pub next: u64,
    /// Whether there is more already.
    pub more: bool,
    /// Messages that were no report; a newer NAQ may have written them.
    pub unreadable: u64,
}

/// Keeps statistics.
#[async_trait]
pub trait StatsStore: Send + Sync + 'static {
    /// Stores a report, in place of an older one of the same process and minute.
    ///
    /// # Errors
    /// [`TransportError`]; the same report can be written again.
    async fn stats_put(&self, report: &StatsReport) -> Result<(), TransportError>;

    /// The reports that were stored from `from` on and have not been replaced since, at most
    /// `limit`. Begin with 0 for the last day, and go on with what [`StatsPage::next`] says: that is 0
    /// again where the store seems to have been made anew. What is read twice by that counts once in a
    /// [`History`](crate::stats::History).
    ///
    /// # Errors
    /// [`TransportError`].
    async fn stats_since(&self, from: u64, limit: usize) -> Result<StatsPage, TransportError>;
}
