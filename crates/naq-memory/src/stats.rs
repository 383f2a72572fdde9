//! Statistics: the newest report of each process and minute, stored for one day.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use naq_core::clock::Timestamp;
use naq_core::stats::{Minute, StatsReport};
use naq_core::transport::{STATS_TTL, StatsPage, StatsStore, TransportError};

use crate::transport::MemoryTransport;

/// Reports by sequence.
#[derive(Debug, Default)]
pub(crate) struct StatsLog {
    last_seq: u64,
    reports: BTreeMap<u64, (Timestamp, StatsReport)>,
    /// The sequence of the newest report, by process and minute.
    newest: HashMap<(String, Minute), u64>,
}

impl StatsLog {
    /// Moves the clock forward and removes reports that are a day old.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while let Some(first) = self.reports.first_entry()
            && now.since(first.get().0) >= STATS_TTL
        {
            let (seq, (_, report)) = first.remove_entry();
            let key = (report.source(), report.minute);
            if self.newest.get(&key) == Some(&seq) {
                self.newest.remove(&key);
            }
        }
    }

    fn put(&mut self, report: StatsReport, now: Timestamp) {
        self.last_seq += 1;
        let key = (report.source(), report.minute);
        if let Some(older) = self.newest.insert(key, self.last_seq) {
            self.reports.remove(&older);
        }
        self.reports.insert(self.last_seq, (now, report));
    }

    fn since(&self, from: u64, limit: usize) -> StatsPage {
        let mut later = self.reports.range(from..);
        let mut page = StatsPage { next: from, ..StatsPage::default() };
        for (seq, (_, report)) in later.by_ref().take(limit) {
            page.reports.push(report.clone());
            page.next = seq + 1;
        }
        page.more = later.next().is_some();
        page
    }
}

#[async_trait]
impl StatsStore for MemoryTransport {
    async fn stats_put(&self, report: &StatsReport) -> Result<(), TransportError> {
        let (mut state, now) = self.shared.state();
        state.stats.put(report.clone(), now);
        Ok(())
    }

    async fn stats_since(&self, from: u64, limit: usize) -> Result<StatsPage, TransportError> {
        Ok(self.shared.state().0.stats.since(from, limit))
    }
}
