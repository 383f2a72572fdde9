//! [`find_needs`]: what an operator should look at besides holds: queues that fall behind, and workers
//! that are not as they should be. No I/O.

use std::collections::BTreeMap;
use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::{QueueName, WorkerId};
use naq_core::retry::BriefDuration;
use naq_core::transport::{QueueInfo, WorkerInfo, WorkerStatus};
use serde::Serialize;

/// A pending job that has waited longer than this, although workers take jobs: the queue falls behind.
const BEHIND_AFTER: Duration = Duration::from_secs(5 * 60);
/// A worker that runs nothing although a job of its queues has waited longer than this takes nothing.
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Clocks that are compared over the network are never equal.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);

/// One thing that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Need {
    /// Jobs arrive faster than the workers of the queue finish them.
    QueueBehind {
        /// The queue.
        queue: QueueName,
        /// What is so, in one sentence without a full stop.
        text: String,
    },
    /// A worker runs nothing although jobs of its queues wait.
    WorkerTakesNothing {
        /// The worker.
        worker: WorkerId,
        /// As above.
        text: String,
    },
    /// Workers of several versions of NAQ run.
    VersionMix {
        /// As above.
        text: String,
    },
    /// The clock of a worker's machine is ahead of the broker's.
    ClockOff {
        /// The worker.
        worker: WorkerId,
        /// As above.
        text: String,
    },
}

impl Need {
    /// What is so, in one sentence without a full stop.
    pub fn text(&self) -> &str {
        match self {
            Self::QueueBehind { text, .. }
            | Self::WorkerTakesNothing { text, .. }
            | Self::VersionMix { text }
            | Self::ClockOff { text, .. } => text,
        }
    }
}

/// What an operator should look at, from the counters of the queues and the list of live workers.
///
/// What holds jobs is not among it: that is [`find_holds`](super::find_holds).
pub fn find_needs(queues: &[QueueInfo], workers: &[WorkerInfo], now: Timestamp) -> Vec<Need> {
    let mut needs: Vec<_> = queues.iter().filter_map(|it| queue_behind(it, workers, now)).collect();
    needs.extend(workers.iter().filter_map(|it| takes_nothing(it, queues, now)));
    needs.extend(version_mix(workers));
    needs.extend(workers.iter().filter_map(clock_off));
    needs
}

/// How long the oldest pending job has waited, if workers could take it.
fn unheld_wait(queue: &QueueInfo, now: Timestamp) -> Option<Duration> {
    let is_limited = queue.concurrency_limit.is_some_and(|limit| queue.running >= limit);
    queue.oldest.filter(|_| !queue.is_paused(now) && !is_limited)
}

fn queue_behind(queue: &QueueInfo, workers: &[WorkerInfo], now: Timestamp) -> Option<Need> {
    let wait = unheld_wait(queue, now).filter(|wait| *wait > BEHIND_AFTER)?;
    let has_worker = workers.iter().any(|worker| worker.queues.contains(&queue.name));
    let (name, pending, wait) = (&queue.name, queue.pending, BriefDuration(wait));
    let text = format!(
        "queue {name} falls behind: {pending} jobs are pending, the oldest for {wait}; its workers \
         start fewer jobs than arrive"
    );
    has_worker.then(|| Need::QueueBehind { queue: queue.name.clone(), text })
}

fn takes_nothing(worker: &WorkerInfo, queues: &[QueueInfo], now: Timestamp) -> Option<Need> {
    let is_idle = worker.running == 0 && worker.status == WorkerStatus::Idle;
    let is_new = now.since(worker.started_at) < IDLE_AFTER;
    if !is_idle || is_new {
        return None;
    }
    let own = queues.iter().filter(|queue| worker.queues.contains(&queue.name));
    let waits = own.filter_map(|queue| Some((unheld_wait(queue, now)?, queue)));
    let (wait, queue) =
        waits.max_by_key(|(wait, _)| *wait).filter(|(wait, _)| *wait > IDLE_AFTER)?;
    let (id, name, wait) = (&worker.worker_id, &queue.name, BriefDuration(wait));
    let text = format!("worker {id} takes nothing, and a job of {name} has waited for {wait}");
    Some(Need::WorkerTakesNothing { worker: worker.worker_id.clone(), text })
}

fn version_mix(workers: &[WorkerInfo]) -> Option<Need> {
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for worker in workers {
        *versions.entry(&worker.version).or_default() += 1;
    }
    let all: Vec<_> = versions.iter().map(|(version, n)| format!("{version} ({n})")).collect();
    let text = format!("workers of {} versions run: {}", all.len(), all.join(", "));
    (all.len() > 1).then_some(Need::VersionMix { text })
}

/// The broker's clock gives the time of a heartbeat, the worker's own clock that of its start.
fn clock_off(worker: &WorkerInfo) -> Option<Need> {
    let ahead = worker.started_at.since(worker.heartbeat_at);
    let (id, host, by) = (&worker.worker_id, &worker.hostname, BriefDuration(ahead));
    let text = format!("the clock of worker {id} on {host} is at least {by} ahead");
    (ahead > CLOCK_TOLERANCE).then(|| Need::ClockOff { worker: worker.worker_id.clone(), text })
}

#[cfg(test)]
mod tests {
    use naq_core::transport::QueueBound;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn queue(oldest: Option<u64>) -> QueueInfo {
        QueueInfo {
            name: QueueName::default(),
            pending: oldest.map_or(0, |_| 40),
            running: 0,
            waiting: 0,
            dead: 0,
            oldest: oldest.map(Duration::from_secs),
            paused_until: None,
            lease: None,
            concurrency_limit: None,
            bound: QueueBound::default(),
            evicts: Vec::new(),
            forgotten: 0,
            bytes: 0,
            last_seq: 0,
        }
    }

    fn worker(id: &str, running: u32, version: &str) -> WorkerInfo {
        WorkerInfo {
            worker_id: WorkerId::new(id).expect("an id"),
            status: if running == 0 { WorkerStatus::Idle } else { WorkerStatus::Busy },
            queues: vec![QueueName::default()],
            concurrency: 10,
            running,
            hostname: "host".into(),
            pid: 1,
            version: version.into(),
            started_at: NOW.saturating_sub(Duration::from_secs(3_600)),
            heartbeat_at: NOW,
            finished: 0,
            failed: 0,
            signed: Vec::new(),
        }
    }

    fn texts(queue: &QueueInfo, workers: &[WorkerInfo]) -> Vec<String> {
        let needs = find_needs(std::slice::from_ref(queue), workers, NOW);
        needs.iter().map(|need| need.text().to_owned()).collect()
    }

    #[test]
    fn a_queue_whose_workers_are_busy_and_whose_jobs_wait_falls_behind() {
        let busy = [worker("w1", 10, "1.0")];
        let behind = "queue default falls behind: 40 jobs are pending, the oldest for 6m40s; its \
                      workers start fewer jobs than arrive";
        assert_eq!(texts(&queue(Some(400)), &busy), [behind]);
        assert!(texts(&queue(Some(300)), &busy).is_empty(), "five minutes are allowed");
        let paused = NOW + Duration::from_secs(60);
        let paused = QueueInfo { paused_until: Some(paused), ..queue(Some(400)) };
        assert!(texts(&paused, &busy).is_empty(), "a pause is a hold");
        let limited = QueueInfo { concurrency_limit: Some(1), running: 1, ..queue(Some(400)) };
        assert!(texts(&limited, &busy).is_empty(), "a limit is a hold");
        assert!(texts(&queue(Some(400)), &[]).is_empty(), "no worker is a hold");
    }

    #[test]
    fn a_worker_that_runs_nothing_while_jobs_wait_is_named() {
        let idle = worker("w1", 0, "1.0");
        let words = "worker w1 takes nothing, and a job of default has waited for 1m30s";
        assert_eq!(texts(&queue(Some(90)), std::slice::from_ref(&idle)), [words]);
        assert!(texts(&queue(Some(60)), std::slice::from_ref(&idle)).is_empty());
        assert!(texts(&queue(None), std::slice::from_ref(&idle)).is_empty());
        let new = WorkerInfo { started_at: NOW, ..idle };
        assert!(texts(&queue(Some(90)), &[new]).is_empty(), "it has just started");
    }

    #[test]
    fn versions_and_clocks_that_differ_are_named() {
        let mixed = [worker("w1", 1, "1.0"), worker("w2", 1, "1.1"), worker("w3", 1, "1.1")];
        assert_eq!(texts(&queue(None), &mixed), ["workers of 2 versions run: 1.0 (1), 1.1 (2)"]);
        let started_at = NOW + Duration::from_secs(60);
        let ahead = WorkerInfo { started_at, ..worker("w1", 1, "1.0") };
        let words = "the clock of worker w1 on host is at least 1m ahead";
        assert_eq!(texts(&queue(None), &[ahead]), [words]);
        assert!(texts(&queue(None), &mixed[1..]).is_empty());
    }
}
