//! [`RunBoard`]: stores the list of the attempts that this worker runs, and reads those of others.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::Duration;

use naq_core::clock::{Clock, millis};
use naq_core::flow::{Asker, ListedRun, MAX_LISTED_RUNS, RunList, SeenRunList};
use naq_core::names::{JobKey, StateKey};
use naq_core::sync::lock;
use naq_core::transport::{Expect, Saved, StateStore, TransportError};
use naq_core::{JobId, QueueName, Timestamp, WorkerId};
use tokio::sync::Notify;

use super::heard::Heard;

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
    pub(crate) fn heard_for(&self) -> Duration {
        lock(&self.heard).stored_for()
    }

    /// Stores the list of these runs in place of the one before. Returns whether there are any.
    pub(crate) async fn store(
        &self,
        store: &dyn StateStore,
        mut runs: Vec<ListedRun>,
        clock: &dyn Clock,
    ) -> Result<bool, TransportError> {
        runs.truncate(MAX_LISTED_RUNS);
        let busy = !runs.is_empty();
        let idle_list = self.list(self.idle_interval(), Vec::new());
        let list = if busy { self.list(self.interval, runs) } else { idle_list.clone() };
        let called = clock.now();
        let stored = store.state_put(&self.key, list.value(), Expect::Any, Some(KEEP)).await;
        let mut heard = lock(&self.heard);
        match stored {
            Ok(Saved::Stored(revision)) => {
                heard.stored(called, clock.now(), revision, idle_list.gone_after());
            }
            Ok(Saved::Conflict) | Err(_) => heard.lost(),
        }
        stored.map(|_| busy)
    }

    fn list(&self, interval: Duration, runs: Vec<ListedRun>) -> RunList {
        let (worker, queues) = (self.worker.clone(), self.queues.clone());
        RunList { worker, queues, interval_ms: millis(interval), runs }
    }

    /// The lists of all other processes, and what this worker knows of its own. `now` counts while the
    /// broker has no list of this worker.
    pub(crate) async fn read(
        &self,
        store: &dyn StateStore,
        now: Timestamp,
    ) -> Result<(Vec<SeenRunList>, Asker), TransportError> {
        self.read_with_own(store, now).await.map(|(lists, asker, _)| (lists, asker))
    }

    /// Like [`read`](Self::read), but `None` if the broker has not shown this worker's newest list yet: a
    /// replica may lag, and then it may not show another worker's list either.
    pub(crate) async fn read_fresh(
        &self,
        store: &dyn StateStore,
        now: Timestamp,
    ) -> Result<Option<(Vec<SeenRunList>, Asker)>, TransportError> {
        let newest = lock(&self.heard).revision();
        let (lists, asker, own) = self.read_with_own(store, now).await?;
        let is_fresh = newest.is_none_or(|newest| own.is_some_and(|own| own >= newest));
        Ok(is_fresh.then_some((lists, asker)))
    }

    /// The lists of the others, what this worker knows, and the revision of its own list.
    async fn read_with_own(
        &self,
        store: &dyn StateStore,
        now: Timestamp,
    ) -> Result<(Vec<SeenRunList>, Asker, Option<u64>), TransportError> {
        let prefix = RunList::prefix().unwrap_or_else(|err| unreachable!("a constant key: {err}"));
        let (mut lists, mut own, mut from) = (Vec::new(), None, 0);
        loop {
            let page = store.state_list(&prefix, from, PAGE).await?;
            for entry in page.entries {
                if entry.key == self.key {
                    own = Some(entry);
                } else if let Some(list) = RunList::read(&entry) {
                    lists.push(SeenRunList { list, stored_at: entry.stored_at });
                }
            }
            let Some(next) = page.next else { break };
            from = next;
        }
        let heard = lock(&self.heard);
        // A list whose answer is still under way may have waited for the broker: how long, is unknown.
        let known = own.as_ref().is_some_and(|own| heard.knows(own.revision));
        let revision = own.as_ref().map(|own| own.revision);
        let asker = Asker {
            now: own.map_or(now, |own| own.stored_at),
            heard_for: if known { heard.stored_for() } else { Duration::ZERO },
            may_have_missed: heard.longest_gap(),
        };
        Ok((lists, asker, revision))
    }

    /// Removes the list: this worker has stopped, and runs nothing any more.
    pub(crate) async fn remove(&self, store: &dyn StateStore) -> Result<(), TransportError> {
        store.state_remove(&self.key, Expect::Any).await.map(drop)
    }
}
