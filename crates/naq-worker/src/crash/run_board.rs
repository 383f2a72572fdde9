//! [`RunBoard`]: stores the list of the attempts that this worker runs, and reads those of others.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use naq_core::clock::millis;
use naq_core::flow::{Asker, ListedRun, MAX_LISTED_RUNS, RunList, SeenRunList};
use naq_core::names::{JobKey, StateKey};
use naq_core::sync::lock;
use naq_core::transport::{Expect, StateStore, TransportError};
use naq_core::{JobId, QueueName, Timestamp, WorkerId};
use tokio::sync::Notify;

/// With ten lists in a lease a worker counts as gone before the lease of its jobs ends.
const LISTS_PER_LEASE: u32 = 10;
/// The longest time between two lists.
const LONGEST_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two lists.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);
/// An idle worker stores its list this many times less often. It still counts as gone before the lease
/// of a job ends that it had just begun.
const IDLE_FACTOR: u32 = 3;
/// Attempts that broke here, kept until their jobs come back.
const MAX_BROKEN: usize = 1_000;
/// How long the list of a worker that died stays, for those who find its jobs.
const KEEP: Duration = Duration::from_secs(10 * 60);
/// Lists read at once.
const PAGE: usize = 500;

/// The list of this worker process at the broker.
#[derive(Debug)]
pub(crate) struct RunBoard {
    worker: WorkerId,
    queues: Vec<QueueName>,
    key: StateKey,
    interval: Duration,
    began: Notify,
    broken: Mutex<VecDeque<ListedRun>>,
    heard: Mutex<Heard>,
}

/// Since when the broker has stored this worker's lists without a gap, by the worker's clock.
#[derive(Debug, Default)]
struct Heard {
    since: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl RunBoard {
    pub(crate) fn new(worker: WorkerId, queues: Vec<QueueName>, lease: Duration) -> Self {
        let process = JobId::random();
        let key = RunList::key(&worker, process.as_str())
            .unwrap_or_else(|err| unreachable!("a worker id and a random id fit: {err}"));
        let interval = (lease / LISTS_PER_LEASE).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL);
        Self {
            worker,
            queues,
            key,
            interval,
            began: Notify::new(),
            broken: Mutex::default(),
            heard: Mutex::default(),
        }
    }

    /// The time between two lists of a worker that runs jobs.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// The time between two lists of a worker that runs nothing.
    pub(crate) fn idle_interval(&self) -> Duration {
        self.interval * IDLE_FACTOR
    }

    /// A run begins: an idle worker stores its list now.
    pub(crate) fn run_begins(&self) {
        self.began.notify_one();
    }

    /// An attempt panicked outside its handler. The worker lives on, and nobody else finds out.
    pub(crate) fn run_broke(&self, run: ListedRun) {
        let mut broken = lock(&self.broken);
        if broken.len() == MAX_BROKEN {
            broken.pop_front();
        }
        broken.push_back(run);
    }

    /// The crashes of a job whose attempt broke here, that one included. None if it did not.
    pub(crate) fn take_broken(&self, job: &JobKey, step: &str) -> Option<u32> {
        let mut broken = lock(&self.broken);
        let at = broken.iter().position(|run| run.job == *job && run.step == step)?;
        broken.remove(at).map(|run| run.crashes.saturating_add(1))
    }

    /// Returns when a run begins.
    pub(crate) async fn next_run(&self) {
        self.began.notified().await;
    }

    /// For how long the broker has stored this worker's lists without a gap.
    pub(crate) fn heard_for(&self, now: Timestamp) -> Duration {
        lock(&self.heard).since.map_or(Duration::ZERO, |since| now.since(since))
    }

    /// Stores the list of these runs in place of the one before. `now` is the time of the call. Returns
    /// whether there are any.
    pub(crate) async fn store(
        &self,
        store: &dyn StateStore,
        mut runs: Vec<ListedRun>,
        now: Timestamp,
    ) -> Result<bool, TransportError> {
        runs.truncate(MAX_LISTED_RUNS);
        let busy = !runs.is_empty();
        let interval = if busy { self.interval } else { self.idle_interval() };
        let list = RunList {
            worker: self.worker.clone(),
            queues: self.queues.clone(),
            interval_ms: millis(interval),
            runs,
        };
        let stored = store.state_put(&self.key, list.value(), Expect::Any, Some(KEEP)).await;
        let mut heard = lock(&self.heard);
        match stored {
            Ok(_) => {
                let gap = heard.last.is_none_or(|last| now.since(last) > list.gone_after());
                if gap {
                    heard.since = Some(now);
                }
                heard.last = Some(now);
            }
            Err(_) => *heard = Heard::default(),
        }
        stored.map(|_| busy)
    }

    /// The lists of all other processes, and what this worker knows of its own.
    pub(crate) async fn read(
        &self,
        store: &dyn StateStore,
        now: Timestamp,
    ) -> Result<(Vec<SeenRunList>, Asker), TransportError> {
        let prefix = RunList::prefix().unwrap_or_else(|err| unreachable!("a constant key: {err}"));
        let (mut lists, mut broker_now, mut from) = (Vec::new(), None, 0);
        loop {
            let page = store.state_list(&prefix, from, PAGE).await?;
            for entry in page.entries {
                if entry.key == self.key {
                    broker_now = Some(entry.stored_at);
                } else if let Some(list) = RunList::read(&entry) {
                    lists.push(SeenRunList { list, stored_at: entry.stored_at });
                }
            }
            let Some(next) = page.next else { break };
            from = next;
        }
        Ok((lists, Asker { now: broker_now.unwrap_or(now), heard_for: self.heard_for(now) }))
    }

    /// Removes the list: this worker has stopped, and runs nothing any more.
    pub(crate) async fn remove(&self, store: &dyn StateStore) -> Result<(), TransportError> {
        store.state_remove(&self.key, Expect::Any).await.map(drop)
    }
}
