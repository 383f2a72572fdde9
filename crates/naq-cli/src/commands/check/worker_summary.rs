//! Who works, from what workers say of themselves and when the broker heard it. Pure.
//!
//! Nothing here trusts a worker: its entry is as old as the broker says, a time that is still to come
//! is now, and no more slots are in use than there are.

use std::time::Duration;

use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

/// The workers in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WorkerSummary {
    /// Heard of lately, and taking jobs.
    pub(super) alive: u64,
    /// Heard of lately, and finishing what runs.
    pub(super) stopping: u64,
    /// Listed, and not heard of for too long.
    pub(super) silent: u64,
    /// How long ago the one that has been silent longest was heard of.
    pub(super) quietest: Duration,
    /// Slots of those alive.
    pub(super) slots: u64,
    /// Of those, in use.
    pub(super) in_use: u64,
    /// Entries that cannot be true, and were set right.
    pub(super) implausible: u64,
}

impl WorkerSummary {
    /// Counts `workers` as they are at `now`; whoever was last heard of longer ago than
    /// `silent_after` is not alive.
    pub(super) fn of<'a>(
        workers: impl IntoIterator<Item = &'a WorkerInfo>,
        now: Timestamp,
        silent_after: Duration,
    ) -> Self {
        let mut crew = Self::default();
        for worker in workers {
            // Two clocks, compared over a request, are never quite equal.
            const TOLERATED: Duration = Duration::from_secs(5);
            let to_come = worker.heartbeat_at.since(now) > TOLERATED;
            if to_come || worker.running > worker.concurrency {
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

    /// The share of slots in use in percent, rounded down; 0 where there is none.
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
        }
    }

    fn crew(workers: &[WorkerInfo]) -> WorkerSummary {
        WorkerSummary::of(workers, NOW, SILENT)
    }

    #[test]
    fn who_was_heard_of_lately_is_alive_and_counts_with_its_slots() {
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
    fn an_entry_that_cannot_be_true_is_set_right_and_told() {
        // Heard of in an hour; more jobs than slots.
        let prophet = worker(-3_600_000, 0, WorkerStatus::Idle);
        let boaster = worker(0, 4_000_000_000, WorkerStatus::Busy);
        let all = crew(&[prophet, boaster]);
        assert_eq!((all.alive, all.implausible, all.quietest), (2, 2, Duration::ZERO));
        assert_eq!((all.in_use, all.percent()), (10, 50));
        // A little ahead is a clock, not a lie; the year 1970 is silence.
        assert_eq!(crew(&[worker(-4_000, 0, WorkerStatus::Idle)]).implausible, 0);
        assert_eq!(crew(&[worker(1_000_000, 0, WorkerStatus::Idle)]).silent, 1);
    }
}
