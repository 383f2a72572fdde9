//! [`WorkerSummary`]: the workers in numbers, from their directory entries. Pure.
//!
//! An entry is checked before it counts: its age is by the broker's clock, a heartbeat from the future
//! counts as now, and no more slots count as in use than the worker has.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

/// The workers in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WorkerSummary {
    /// Workers with a recent heartbeat that take jobs.
    pub(super) alive: u64,
    /// Workers with a recent heartbeat that are shutting down.
    pub(super) stopping: u64,
    /// Workers whose heartbeat is too old.
    pub(super) silent: u64,
    /// The age of the oldest heartbeat.
    pub(super) quietest: Duration,
    /// The slots of all workers that are alive.
    pub(super) slots: u64,
    /// Those of these slots that are in use.
    pub(super) in_use: u64,
    /// Entries that cannot be true and were corrected.
    pub(super) implausible: u64,
}

impl WorkerSummary {
    /// Counts `workers` at `now`. A worker whose heartbeat is older than `silent_after` is not alive.
    pub(super) fn of<'a>(
        workers: impl IntoIterator<Item = &'a WorkerInfo>,
        now: Timestamp,
        silent_after: Duration,
    ) -> Self {
        let mut crew = Self::default();
        for worker in workers {
            // Clocks that are compared over the network are never exactly equal.
            const TOLERATED: Duration = Duration::from_secs(5);
            let in_future = worker.heartbeat_at.since(now) > TOLERATED;
            if in_future || worker.running > worker.concurrency {
                crew.implausible += 1;
            }
            let age = now.since(worker.heartbeat_at);
            crew.quietest = crew.quietest.max(age);
            match worker.status {
                _ if age > silent_after => crew.silent += 1,
                WorkerStatus::Stopping => crew.stopping += 1,
                _ => {
                    crew.alive += 1;
                    crew.slots += u64::from(worker.concurrency);
                    crew.in_use += u64::from(worker.running.min(worker.concurrency));
                }
            }
        }
        crew
    }

    /// The share of slots in use in percent, rounded down; 0 without slots.
    pub(super) fn percent(&self) -> u64 {
        (self.in_use * 100).checked_div(self.slots).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use naq_core::WorkerId;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const SILENT: Duration = Duration::from_secs(15);

    fn worker(heard: i64, running: u32, status: WorkerStatus) -> WorkerInfo {
        let heartbeat_at = Timestamp::from_millis(1_000_000_u64.saturating_add_signed(-heard));
        WorkerInfo {
            worker_id: WorkerId::new("w").expect("an id"),
            status,
            queues: Vec::new(),
            concurrency: 10,
            running,
            hostname: "host".into(),
            pid: 1,
            version: "0".into(),
            started_at: Timestamp::from_millis(0),
            heartbeat_at,
            finished: 0,
            failed: 0,
            signed: Vec::new(),
        }
    }

    fn crew(workers: &[WorkerInfo]) -> WorkerSummary {
        WorkerSummary::of(workers, NOW, SILENT)
    }

    #[test]
    fn a_worker_with_a_recent_heartbeat_is_alive_and_its_slots_count() {
        let busy = worker(2_000, 9, WorkerStatus::Busy);
        let idle = worker(15_000, 0, WorkerStatus::Idle);
        let silent = worker(15_001, 5, WorkerStatus::Busy);
        let stopping = worker(1_000, 5, WorkerStatus::Stopping);
        let all = crew(&[busy, idle, silent, stopping]);
        assert_eq!((all.alive, all.silent, all.stopping), (2, 1, 1));
        assert_eq!((all.in_use, all.slots, all.percent()), (9, 20, 45));
        assert_eq!((all.quietest, all.implausible), (Duration::from_millis(15_001), 0));
        assert_eq!(crew(&[]).percent(), 0);
    }

    #[test]
    fn an_entry_that_cannot_be_true_is_corrected_and_counted() {
        // A heartbeat one hour in the future; more running jobs than slots.
        let from_future = worker(-3_600_000, 0, WorkerStatus::Idle);
        let overbooked = worker(0, 4_000_000_000, WorkerStatus::Busy);
        let all = crew(&[from_future, overbooked]);
        assert_eq!((all.alive, all.implausible, all.quietest), (2, 2, Duration::ZERO));
        assert_eq!((all.in_use, all.percent()), (10, 50));
        // A few seconds ahead are within the tolerance. A heartbeat from 1970 is only too old.
        assert_eq!(crew(&[worker(-4_000, 0, WorkerStatus::Idle)]).implausible, 0);
        assert_eq!(crew(&[worker(1_000_000, 0, WorkerStatus::Idle)]).silent, 1);
    }
}
