//! The statistics of the last day, read in one go.

use naq_core::stats::History;
use naq_core::transport::TransportError;

use crate::Client;

/// Reports that one request reads.
const PAGE: usize = 1_000;

impl Client {
    /// The statistics of the last day, from the reports of all workers. Reads one message per worker
    /// and minute, whatever the number of jobs. A program that needs them again and again reads
    /// only the [new reports](naq_core::transport::StatsStore::stats_since).
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn history(&self) -> Result<History, TransportError> {
        let mut history = History::default();
        let mut from = 0;
        loop {
            let page = self.transport.stats_since(from, PAGE).await?;
            let now = self.clock.now();
            page.reports.into_iter().for_each(|report| history.apply(report, now));
            if !page.more {
                history.advance(now);
                return Ok(history);
            }
            from = page.next;
        }
    }
}
