//! Limits as an operator sees them: of a key, and of a queue.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use naq_core::clock::Timestamp;
use naq_core::flow::{Holder, LimitKeys, Rate, RateEntry, Slot};
use naq_core::names::{QueueName, WorkerId};
use naq_core::transport::{JobKey, StateEntry, StateKey, TransportError};
use serde::Serialize;

use crate::Client;

/// Entries read at once.
const PAGE: usize = 500;

/// What is known of one key: who runs, who waits, how much of the rate is used up. A key that nobody
/// has used for a while is forgotten.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitInfo {
    /// The key.
    pub key: String,
    /// How many may run at once, as the last job that took a slot had it.
    pub concurrency: Option<u32>,
    /// The jobs that run.
    pub running: Vec<LimitedJob>,
    /// Those that wait for a slot, the one that is next first.
    pub waiting: Vec<LimitedJob>,
    /// The rate, as the last job that asked for a start had it.
    pub rate: Option<Rate>,
    /// When a job that asked now would start, by the rate.
    pub next_start: Option<Timestamp>,
}

/// A job that runs under a limit, or waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitedJob {
    /// Which job: `queue/id`.
    pub job: JobKey,
    /// The worker that runs it, or has put it in line.
    pub worker: WorkerId,
    /// When its entry was stored: since when it waits, or when its slot was last renewed.
    pub at: Timestamp,
}

impl LimitInfo {
    fn new(key: String) -> Self {
        Self {
            key,
            concurrency: None,
            running: Vec::new(),
            waiting: Vec::new(),
            rate: None,
            next_start: None,
        }
    }

    /// Takes in one entry; what it does not know is passed over. Entries come oldest first.
    fn add(&mut self, kind: &str, entry: &StateEntry, now: Timestamp) {
        let at = entry.stored_at;
        let limited = |Holder { job, worker, .. }| LimitedJob { job, worker, at };
        match kind {
            "slot" => {
                let Ok(slot) = serde_json::from_slice::<Slot>(&entry.value) else { return };
                self.concurrency = Some(slot.of);
                self.running.extend(slot.holder.map(limited));
            }
            "wait" => {
                let Ok(holder) = serde_json::from_slice::<Holder>(&entry.value) else { return };
                self.waiting.push(limited(holder));
            }
            "rate" => {
                let Ok(entry) = serde_json::from_slice::<RateEntry>(&entry.value) else { return };
                self.rate = Some(entry.rate);
                self.next_start = Some(entry.used.earliest(&entry.rate, now));
            }
            _ => {}
        }
    }
}

impl Client {
    /// All keys that jobs with limits use now, sorted. Reads every entry of every key.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn limits(&self) -> Result<Vec<LimitInfo>, TransportError> {
        let all = LimitKeys::all().map_err(rejected)?;
        self.read_limits(&all).await
    }

    /// One key; none when no job uses it now.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn limit(&self, key: &str) -> Result<Option<LimitInfo>, TransportError> {
        let keys = LimitKeys::new(key).map_err(rejected)?;
        Ok(self.read_limits(keys.prefix()).await?.pop())
    }

    async fn read_limits(&self, prefix: &StateKey) -> Result<Vec<LimitInfo>, TransportError> {
        let now = self.clock.now();
        let mut infos = BTreeMap::new();
        let mut from = Some(0);
        while let Some(revision) = from {
            let page = self.transport.state_list(prefix, revision, PAGE).await?;
            for entry in &page.entries {
                let mut tokens = entry.key.tokens().skip(1);
                let (Some(key), Some(kind)) = (tokens.next(), tokens.next()) else { continue };
                let info = infos.entry(key.clone()).or_insert_with(|| LimitInfo::new(key));
                info.add(&kind, entry, now);
            }
            from = page.next;
        }
        Ok(infos.into_values().collect())
    }

    /// Lets at most so many jobs of the queue run at once, on all workers together; none for no
    /// limit. In force at once: what runs beyond a lower limit finishes.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_core::transport::TransportError> {
    /// client.set_queue_limit(&"reports".parse().expect("a name"), Some(20)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError::Rejected`] for a limit of 0; [`TransportError::NoQueue`] among others.
    pub async fn set_queue_limit(
        &self,
        queue: &QueueName,
        limit: Option<u64>,
    ) -> Result<(), TransportError> {
        if limit == Some(0) {
            let what = format!("limit the queue {queue} to 0 jobs");
            let reason = "nothing would ever run: pause it instead, or use 1 or more".into();
            return Err(TransportError::Rejected { what, reason });
        }
        self.transport.set_limit(queue, limit.and_then(NonZeroU64::new)).await
    }
}

fn rejected(err: impl std::fmt::Display) -> TransportError {
    TransportError::Rejected { what: "look at a limit".into(), reason: err.to_string() }
}
