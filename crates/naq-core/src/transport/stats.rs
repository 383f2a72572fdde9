//! [`StatsStore`]: the port to the statistics, which are kept for a day.

use std::time::Duration;

use async_trait::async_trait;

use super::TransportError;
use crate::stats::StatsReport;

/// How long the broker keeps a report.
pub const STATS_TTL: Duration = Duration::from_secs(24 * 60 * 60);

/// A page of reports, in the order in which they were stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StatsPage {
    /// The reports.
    pub reports: Vec<StatsReport>,
    /// Where the next page begins.
    pub next: u64,
    /// Whether more reports are stored already.
    pub more: bool,
    /// How many messages could not be read. A newer version of NAQ may have written them.
    pub unreadable: u64,
}

/// Stores and lists reports.
#[async_trait]
pub trait StatsStore: Send + Sync + 'static {
    /// Stores a report. It replaces an older report of the same process and minute.
    ///
    /// # Errors
    /// [`TransportError`]. The same report can be written again.
    async fn stats_put(&self, report: &StatsReport) -> Result<(), TransportError>;

    /// At most `limit` reports that were stored from position `from` on and have not been replaced. Start
    /// with 0, which gives the last day, and continue with [`StatsPage::next`]. That is 0 again if the
    /// store was recreated. A [`History`](crate::stats::History) counts a report once that was read
    /// twice.
    ///
    /// # Errors
    /// [`TransportError`].
    async fn stats_since(&self, from: u64, limit: usize) -> Result<StatsPage, TransportError>;
}
