//! What the workers have told, read at once.

use naq_core::stats::History;
use naq_core::transport::TransportError;

use crate::Client;

/// Reports of one request.
const PAGE: usize = 1_000;

impl Client {
    /// The statistics of the last day, as all workers have told them. Reads one message a worker and
    /// minute, whatever the number of jobs; who looks again and again reads only what is
    /// [new](naq_core::transport::StatsStore::stats_since).
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn history(&self) -> Result<History, TransportError> {
        let (mut history, mut from) = (History::default(), 0);
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
