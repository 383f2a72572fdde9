//! The directory of workers.

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
    }
}

async fn find(case: &Case<'_>, worker: &WorkerInfo) -> Option<WorkerInfo> {
    let workers = case.client.list_workers().await.unwrap();
    assert!(workers.is_sorted_by_key(|w| w.worker_id.clone()));
    workers.into_iter().find(|w| w.worker_id == worker.worker_id)
}

/// As [`find`], with the time that the worker gave for its heartbeat.
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

pub async fn a_worker_that_falls_silent_vanishes(subject: &dyn Subject) {
    let case = Case::new(subject);
    let (silent, alive) = (worker(&case), worker(&case));
    let ttl = Duration::from_secs(1);
    case.transport.heartbeat(&silent, ttl).await.unwrap();
    let end = case.now() + Duration::from_secs(10);
    while find(&case, &silent).await.is_some() {
        assert!(case.now() < end, "it is still listed");
        case.transport.heartbeat(&alive, ttl).await.unwrap();
        case.pass(Duration::from_millis(200)).await;
    }
    case.transport.heartbeat(&alive, ttl).await.unwrap();
    assert!(find(&case, &alive).await.is_some(), "renewed in time");
    case.transport.leave(&alive.worker_id).await.unwrap();
}

pub async fn a_heartbeat_is_as_old_as_the_broker_says_whatever_the_worker_claims(
    subject: &dyn Subject,
) {
    let case = Case::new(subject);
    let before = case.now();
    for claimed in [Timestamp::from_millis(0), before + Duration::from_secs(86_400)] {
        let mut liar = worker(&case);
        liar.heartbeat_at = claimed;
        case.transport.heartbeat(&liar, Duration::from_secs(30)).await.unwrap();
        let heard = find(&case, &liar).await.unwrap().heartbeat_at;
        // Clocks are compared over a request, which is not exact.
        let exact = Duration::from_secs(5);
        assert!(heard + exact >= before, "{heard} is long before {before}");
        assert!(heard <= case.now() + exact, "{heard} is to come");
        case.transport.leave(&liar.worker_id).await.unwrap();
    }
}
