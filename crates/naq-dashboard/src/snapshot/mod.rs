//! [`Snapshot`]: the state of the broker at the last read. Pages are rendered from it, so more open tabs
//! do not cause more requests to the broker.

mod batch_cache;
mod find_holds;
mod hold_cache;
mod poll;
mod read_runs;
mod window_totals;
mod with_timeout;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::time::Duration;

use naq_client::{Hold, Runs};
use naq_core::flow::TaskPause;
use naq_core::stats::{History, Storm, Totals};
use naq_core::sync;
use naq_core::transport::{BrokerInfo, QueueInfo, StoreProbe, StreamReport, WorkerInfo};
use naq_core::{QueueName, TaskName, Timestamp};
use tokio::time::Instant;

pub(crate) use batch_cache::BatchCache;
use hold_cache::HoldCache;
pub(crate) use poll::poll;

/// The minutes in the small chart of a queue.
pub(crate) const SPARK_MINUTES: u32 = 30;

/// A read of the broker never takes this long, because each of its requests has a timeout.
const MAX_READ_TIME: Duration = Duration::from_secs(60);

/// What was read, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// One more than the version of the snapshot before it.
    pub(crate) version: u64,
    /// When the last complete read ended; none before the first one.
    pub(crate) read_at: Option<Timestamp>,
    /// Why the last read failed.
    pub(crate) problem: Option<String>,
    /// When the last read ended, complete or not. By the monotonic clock, which cannot be set.
    tried_at: Option<Instant>,
    pub(crate) queues: Vec<QueueInfo>,
    pub(crate) workers: Vec<WorkerInfo>,
    /// Which worker runs which job.
    pub(crate) runs: Arc<Runs>,
    pub(crate) broker: Option<BrokerInfo>,
    /// The counts of the last 5 minutes.
    pub(crate) minutes: Totals,
    /// The counts of the last hour.
    pub(crate) hour: Totals,
    /// The counts of the last day.
    pub(crate) day: Totals,
    pub(crate) storms: Vec<Storm>,
    /// How many retries come due within an hour.
    pub(crate) due: BTreeMap<(QueueName, TaskName), u64>,
    /// Attempts started in the last [`SPARK_MINUTES`] minutes, by the minute.
    pub(crate) starts: HashMap<QueueName, Vec<u64>>,
    /// Read less often than the rest.
    pub(crate) streams: Vec<StreamReport>,
    /// The streams that store nothing. Probed less often than the rest.
    pub(crate) store_faults: Vec<StoreProbe>,
    /// Read less often than the rest.
    pub(crate) paused_tasks: Vec<TaskPause>,
    /// What holds jobs, the most urgent first.
    pub(crate) holds: Vec<Hold>,
    /// Read less often than the rest.
    hold_cache: HoldCache,
    pub(crate) batches: BatchCache,
    history: Arc<RwLock<History>>,
}

impl Snapshot {
    /// The statistics of the last day. Do not hold the guard across an await.
    pub(crate) fn history(&self) -> RwLockReadGuard<'_, History> {
        sync::read(&self.history)
    }

    /// The problem of the reader; `None` while it reads the broker about every `interval`.
    pub(crate) fn reader_problem(&self, interval: Duration) -> Option<String> {
        let silent = self.tried_at?.elapsed();
        let limit = MAX_READ_TIME.saturating_add(interval.saturating_mul(3));
        (silent > limit).then(|| {
            let silent = silent.as_secs();
            format!(
                "the dashboard has not tried to read the broker for {silent} s: start the \
                 dashboard again"
            )
        })
    }

    /// A copy of this snapshot, with `problem`.
    pub(crate) fn with_problem(&self, problem: Option<String>) -> Self {
        Self { problem, ..self.clone() }
    }

    /// Since when the snapshot is out of date; `None` while the reader can read the broker.
    pub(crate) fn outdated_since(&self) -> Option<Timestamp> {
        self.problem.as_ref().and(self.read_at)
    }
}
