//! [`TopFeed`]: what the broker said last.

use std::sync::{Mutex, MutexGuard, PoisonError};

use naq_client::Client;
use naq_core::Timestamp;
use naq_core::stats::History;
use naq_core::transport::{QueueInfo, TransportError, WorkerInfo};

/// Reports read at once.
const PAGE: usize = 1_000;

/// What is known, shared by who reads and who shows.
#[derive(Debug, Default)]
pub(super) struct TopFeed(Mutex<TopData>);

#[derive(Debug, Default)]
pub(super) struct TopData {
    pub(super) history: History,
    pub(super) queues: Vec<QueueInfo>,
    pub(super) workers: Vec<WorkerInfo>,
    /// What the broker calls itself.
    pub(super) server: String,
    /// When the first look began.
    pub(super) began_at: Option<Timestamp>,
    /// When all of it was last read.
    pub(super) read_at: Option<Timestamp>,
    /// Why it cannot be read now.
    pub(super) problem: Option<String>,
    /// Where the next report is.
    next: u64,
}

impl TopFeed {
    /// Not to be held while waiting for anything.
    pub(super) fn known(&self) -> MutexGuard<'_, TopData> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new.
    ///
    /// # Errors
    /// [`TransportError`]; what was known stays.
    pub(super) async fn look(&self, client: &Client) -> Result<(), TransportError> {
        self.known().began_at.get_or_insert(client.now());
        let transport = client.transport();
        loop {
            let next = self.known().next;
            let page = transport.stats_since(next, PAGE).await?;
            let (now, mut known) = (client.now(), self.known());
            page.reports.into_iter().for_each(|report| known.history.apply(report, now));
            known.next = page.next;
            if !page.more {
                known.history.advance(now);
                break;
            }
        }
        let (queues, workers) = (client.queues().await?, client.list_workers().await?);
        let server = transport.broker().await?.server;
        let mut known = self.known();
        (known.queues, known.workers, known.server) = (queues, workers, server);
        (known.read_at, known.problem) = (Some(client.now()), None);
        Ok(())
    }

    /// It could not be read, for this reason.
    pub(super) fn stale(&self, why: &TransportError) {
        self.known().problem = Some(why.to_string());
    }
}
