//! Limits: show the limits of keys, and set the limit of a queue.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use naq_core::clock::Timestamp;
use naq_core::flow::{Holder, LimitKeys, Rate, RateEntry, Slot};
use naq_core::names::{CHORES, JobKey, QueueName, StateKey, WorkerId};
use naq_core::transport::{QueueBound, StateEntry, TransportError};
use serde::Serialize;

use crate::Client;

/// How many entries one request reads.
const PAGE: usize = 500;

/// One limit key: the jobs that run, the jobs that wait, and how much of the rate is used. A key
/// that no job has used for a while has no entries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LimitInfo {
    /// The key.
    pub key: String,
    /// How many jobs may run at once, as the last job that took a slot defines it.
    pub concurrency: Option<u32>,
    /// The jobs that have a limit slot.
    pub running: Vec<LimitedJob>,
    /// The wait list: the jobs that wait for a slot, the next one first.
    pub waiting: Vec<LimitedJob>,
    /// The rate, as the last job that asked for a start time defines it.
    pub rate: Option<Rate>,
    /// The start time that the rate would give to a job now.
    pub next_start: Option<Timestamp>,
}

/// A job that has a limit slot, or waits for one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LimitedJob {
    /// The job, as `queue/id`.
    pub job: JobKey,
    /// The worker that runs it, or that put it on the wait list.
    pub worker: WorkerId,
    /// When its entry was stored: when it began to wait, or when its slot was last renewed.
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

    /// Adds one entry; skips kinds that it does not know. Entries come oldest first.
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
    /// All limit keys in use now, sorted. Reads every entry of every key.
    ///
    /// # Errors
    /// [`TransportError`].
    pub async fn limits(&self) -> Result<Vec<LimitInfo>, TransportError> {
        let all = LimitKeys::all().map_err(rejected)?;
        self.read_limits(&all).await
    }

    /// One limit key; `None` when no job uses it now.
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

    /// Lets at most `limit` jobs of the queue run at once, on all workers together. `None` removes
    /// the limit. The limit applies at once. If more jobs than that run now, they continue.
    ///
    /// ```no_run
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_core::transport::TransportError> {
    /// client.set_queue_limit(&"reports".parse().expect("a name"), Some(20)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`], such as `Rejected` for a limit of 0, and `NoQueue`.
    pub async fn set_queue_limit(
        &self,
        queue: &QueueName,
        limit: Option<u64>,
    ) -> Result<(), TransportError> {
        if limit == Some(0) {
            return Err(TransportError::Rejected {
                what: format!("limit the queue {queue} to 0 jobs"),
                reason: "no job would ever run: pause the queue instead, or use 1 or more".into(),
            });
        }
        self.transport.set_limit(queue, limit.and_then(NonZeroU64::new)).await
    }
}

impl Client {
    /// Lets the queue store at most so many jobs and bytes. Beyond the bound an enqueue fails with
    /// [`TransportError::QueueFull`]. An empty bound removes it. Retries of jobs that are stored
    /// already are never refused.
    ///
    /// Each process reads the queue's size at most once a second. So several producers together can
    /// pass the bound by what they send within a second.
    ///
    /// ```no_run
    /// # use std::num::NonZeroU64;
    /// # use naq_core::transport::QueueBound;
    /// # async fn f(client: naq_client::Client) -> Result<(), naq_core::transport::TransportError> {
    /// let bound = QueueBound { max_jobs: NonZeroU64::new(10_000), max_bytes: None };
    /// client.set_queue_bound(&"reports".parse().expect("a name"), bound).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`TransportError`], such as `NoQueue`, and `Rejected` for the queue of NAQ's own jobs.
    pub async fn set_queue_bound(
        &self,
        queue: &QueueName,
        bound: QueueBound,
    ) -> Result<(), TransportError> {
        if queue.as_str() == CHORES {
            return Err(TransportError::Rejected {
                what: format!("bound the queue {queue}"),
                reason: "NAQ needs it for schedules and for jobs that wait for others".into(),
            });
        }
        self.transport.set_bound(queue, bound).await
    }
}

fn rejected(err: impl std::fmt::Display) -> TransportError {
    TransportError::Rejected { what: "read a limit".into(), reason: err.to_string() }
}
