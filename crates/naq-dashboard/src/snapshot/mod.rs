//! [`Snapshot`]: the broker as it was read last. Pages are rendered from it, so that any number of
//! tabs costs the broker the same.

mod batches;
mod poll;
mod windows;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use naq_core::flow::TaskPause;
use naq_core::stats::{History, Storm, Totals};
use naq_core::transport::{BrokerInfo, QueueInfo, StreamReport, WorkerInfo};
use naq_core::{QueueName, TaskName, Timestamp};
use tokio::time::Instant;

pub(crate) use batches::Batches;
pub(crate) use poll::poll;

/// Minutes of the small line of a queue.
pub(crate) const LINE: u32 = 30;

/// How long a look may last, and then some: each question of it is given up before.
const SILENCE: Duration = Duration::from_secs(60);

/// What was read, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Snapshot {
    /// Grows by one each time.
    pub(crate) version: u64,
    /// When the broker was last read whole; none before the first time.
    pub(crate) read_at: Option<Timestamp>,
    /// Why it cannot be read now.
    pub(crate) problem: Option<String>,
    /// When the last look ended, however it did: by a clock that nobody sets.
    looked_at: Option<Instant>,
    pub(crate) queues: Vec<QueueInfo>,
    pub(crate) workers: Vec<WorkerInfo>,
    pub(crate) broker: Option<BrokerInfo>,
    /// What was counted in the last 5 minutes, hour and day.
    pub(crate) minutes: Totals,
    pub(crate) hour: Totals,
    pub(crate) day: Totals,
    pub(crate) storms: Vec<Storm>,
    /// Retries that come due within an hour.
    pub(crate) due: BTreeMap<(QueueName, TaskName), u64>,
    /// Attempts started in the last [`LINE`] minutes, by the minute.
    pub(crate) lines: HashMap<QueueName, Vec<u64>>,
    /// Read now and then.
    pub(crate) streams: Vec<StreamReport>,
    pub(crate) paused_tasks: Vec<TaskPause>,
    pub(crate) batches: Batches,
    history: Arc<RwLock<History>>,
}

impl Snapshot {
    /// The statistics of the last day. Not to be held while waiting for anything.
    pub(crate) fn history(&self) -> RwLockReadGuard<'_, History> {
        self.history.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is wrong with whoever reads the broker: nothing while it looks, as often as it should.
    pub(crate) fn reader_problem(&self, interval: Duration) -> Option<String> {
        let silent = self.looked_at?.elapsed();
        let limit = SILENCE.saturating_add(interval.saturating_mul(3));
        (silent > limit).then(|| {
            let silent = silent.as_secs();
            format!("nothing has looked at the broker for {silent} s: start the dashboard again")
        })
    }

    /// The same, with this problem.
    pub(crate) fn with_problem(&self, problem: Option<String>) -> Self {
        Self { problem, ..self.clone() }
    }

    /// Since when what is shown is not what is; none while it is.
    pub(crate) fn stale_since(&self) -> Option<Timestamp> {
        self.problem.as_ref().and(self.read_at)
    }
}
