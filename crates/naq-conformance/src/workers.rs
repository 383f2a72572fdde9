//! The directory: workers and their heartbeats.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::names::{JobId, WorkerId};
use naq_core::transport::{WorkerInfo, WorkerStatus};

use crate::Subject;
use crate::case::Case;

fn worker(case: &Case<'_>) -> WorkerInfo {
    WorkerInfo {
        worker_id: WorkerId::new(JobId::random()).unwrap(),
        status: WorkerStatus::Idle,
        queues: vec![case.queue.clone()],
        concurrency: 4,
        running: 0,
        hostname: "host".into(),
        pid: 1,
        version: "0.0.0".into(),
        started_at: case.now(),
        heartbeat_at: case.now(),
        finished: 0,
        failed: 0,
        signed: Vec::new(),
    }
}

async fn find(case: &Case<'_>, worker: &WorkerInfo) -> Option<WorkerInfo> {
    let workers = case.client.list_workers().await.unwrap();
    assert!(workers.is_sorted_by_key(|w| w.worker_id.clone()));
    workers.into_iter().find(|w| w.worker_id == worker.worker_id)
}

/// Like [`find`], but with the heartbeat time that the worker sent.
async fn described(case: &Case<'_>, worker: &WorkerInfo) -> Option<WorkerInfo> {
    let found = find(case, worker).await?;
    Some(WorkerInfo { heartbeat_at: worker.heartbeat_at, ..found })
}

pub async fn a_worker_is_listed_as_it_last_described_itself(subject: &dyn Subject) {
    let case = Case::new(subject);
    let mut me = worker(&case);
    let ttl = Duration::from_secs(30);
    case.transport.heartbeat(&me, ttl).await.unwrap();
    assert_eq!(described(&case, &me).await.as_ref(), Some(&me));
    me.status = WorkerStatus::Busy;
    me.running = 3;
    case.transport.heartbeat(&me, ttl).await.unwrap();
    assert_eq!(described(&case, &me).await.as_ref(), Some(&me));
    case.transport.leave(&me.worker_id).await.unwrap();
    assert_eq!(find(&case, &me).await, None);
    case.transport.leave(&me.worker_id).await.unwrap();
}

pub async fn a_worker_without_heartbeats_disappears(subject: &dyn Subject) {
    let case = Case::new(subject);
    let silent = worker(&case);
    let alive = worker(&case);
    let ttl = Duration::from_secs(1);
    case.transport.heartbeat(&silent, ttl).await.unwrap();
    let end = case.now() + Duration::from_secs(10);
    while find(&case, &silent).await.is_some() {
        assert!(case.now() < end, "it is still listed");
        case.transport.heartbeat(&alive, ttl).await.unwrap();
        case.advance(Duration::from_millis(200)).await;
    }
    case.transport.heartbeat(&alive, ttl).await.unwrap();
    assert!(find(&case, &alive).await.is_some(), "its heartbeat was in time");
    case.transport.leave(&alive.worker_id).await.unwrap();
}

pub async fn the_age_of_a_heartbeat_is_by_the_brokers_clock(subject: &dyn Subject) {
    let case = Case::new(subject);
    let before = case.now();
    for claimed in [Timestamp::from_millis(0), before + Duration::from_secs(86_400)] {
        let mut liar = worker(&case);
        liar.heartbeat_at = claimed;
        case.transport.heartbeat(&liar, Duration::from_secs(30)).await.unwrap();
        let heartbeat_at = find(&case, &liar).await.unwrap().heartbeat_at;
        // The difference of two clocks is measured by a request, and is not exact.
        let exact = Duration::from_secs(5);
        assert!(heartbeat_at + exact >= before, "{heartbeat_at} is too long before {before}");
        assert!(heartbeat_at <= case.now() + exact, "{heartbeat_at} is in the future");
        case.transport.leave(&liar.worker_id).await.unwrap();
    }
}
