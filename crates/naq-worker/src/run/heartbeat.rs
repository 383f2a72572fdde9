//! Heartbeats: renew the worker's entry in the directory.

use std::sync::Arc;

use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

use super::identity::hostname;
use crate::engine::{HeartbeatTimes, WorkerState};
use crate::outage::Outage;

/// Renews the entry until the worker ends, and at once when the worker begins to stop.
pub(super) async fn heartbeat_loop(worker: Arc<WorkerState>, times: HeartbeatTimes) {
    let mut outage = Outage::new("the worker directory");
    let (hostname, started_at) = (hostname(), worker.now());
    loop {
        let stopping = worker.stopping.is_cancelled();
        // Compares the clocks, which drift, and which operators set. A broker that does not answer
        // does not answer the heartbeat either.
        let _ = worker.transport.broker().await;
        let info = worker_info(&worker, &hostname, started_at);
        let sent = worker.transport.heartbeat(&info, times.ttl).await;
        if let Some(metrics) = &worker.metrics {
            metrics.heartbeat(sent.is_ok(), worker.health.is_connected());
        }
        match sent {
            Ok(()) => outage.recovered(worker.now()),
            Err(err) => drop(outage.failed(&err, worker.now())),
        }
        tokio::select! {
            () = worker.sleep(times.interval) => {}
            () = worker.stopping.cancelled(), if !stopping => {}
        }
    }
}

fn worker_info(worker: &WorkerState, hostname: &str, started_at: Timestamp) -> WorkerInfo {
    let running = worker.ready.running();
    let status = match running {
        _ if worker.stopping.is_cancelled() => WorkerStatus::Stopping,
        0 => WorkerStatus::Idle,
        _ => WorkerStatus::Busy,
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    WorkerInfo {
        worker_id: worker.deps.worker_id.clone(),
        status,
        queues: worker.queues.iter().map(|q| q.name.clone()).collect(),
        concurrency: count(worker.concurrency),
        running: count(running),
        hostname: hostname.to_owned(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        heartbeat_at: worker.now(),
        finished: worker.counts.finished(),
        failed: worker.counts.failed(),
        signed: worker.deps.signatures.required.iter().cloned().collect(),
    }
}
