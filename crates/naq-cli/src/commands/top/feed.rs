//! [`TopFeed`]: the data that was last read from the broker.

use std::sync::{Mutex, MutexGuard};

use naq_client::{Client, ClientError, Hold, Runs};
use naq_core::Timestamp;
use naq_core::stats::History;
use naq_core::sync::lock;
use naq_core::transport::{QueueInfo, WorkerInfo};

/// Statistics reports in one request.
const PAGE: usize = 1_000;

/// What holds jobs is read at every fifth read, because it reads waiting jobs.
const HOLDS_EVERY: u64 = 5;

/// The data, shared by the reader in the background and the screen.
#[derive(Debug, Default)]
pub(super) struct TopFeed(Mutex<TopData>);

#[derive(Debug, Default)]
pub(super) struct TopData {
    pub(super) history: History,
    pub(super) queues: Vec<QueueInfo>,
    pub(super) workers: Vec<WorkerInfo>,
    /// Which worker runs what.
    pub(super) runs: Runs,
    /// What holds jobs. Read less often than the rest.
    pub(super) holds: Vec<Hold>,
    /// How often the data was read.
    reads: u64,
    /// The broker's name and version.
    pub(super) server: String,
    /// When the first read started.
    pub(super) began_at: Option<Timestamp>,
    /// When the data was last read completely.
    pub(super) read_at: Option<Timestamp>,
    /// Why the last read failed, if it did.
    pub(super) problem: Option<String>,
    /// The sequence number of the next report.
    next: u64,
}

impl TopFeed {
    /// Locks the data. The caller must not await while it holds the lock.
    pub(super) fn data(&self) -> MutexGuard<'_, TopData> {
        lock(&self.0)
    }

    /// Reads the new reports, the queues and the workers.
    ///
    /// # Errors
    /// [`ClientError`]. The previous data is kept.
    pub(super) async fn read(&self, client: &Client) -> Result<(), ClientError> {
        self.data().began_at.get_or_insert(client.now());
        let transport = client.transport();
        loop {
            let next = self.data().next;
            let page = transport.stats_since(next, PAGE).await?;
            let (now, mut data) = (client.now(), self.data());
            page.reports.into_iter().for_each(|report| data.history.apply(report, now));
            data.next = page.next;
            if !page.more {
                data.history.advance(now);
                break;
            }
        }
        let queues = client.queues().await?;
        let workers = client.list_workers().await?;
        let runs = client.runs().await?;
        let server = transport.broker().await?.server;
        let is_due = self.data().reads.is_multiple_of(HOLDS_EVERY);
        let holds = if is_due { Some(client.all_holds().await?) } else { None };
        let mut data = self.data();
        data.reads += 1;
        data.holds = holds.unwrap_or_else(|| std::mem::take(&mut data.holds));
        data.queues = queues;
        data.workers = workers;
        data.runs = runs;
        data.server = server;
        data.read_at = Some(client.now());
        data.problem = None;
        Ok(())
    }

    /// Marks the data as stale, because a read failed for this reason.
    pub(super) fn set_stale(&self, why: &ClientError) {
        self.data().problem = Some(why.to_string());
    }
}
