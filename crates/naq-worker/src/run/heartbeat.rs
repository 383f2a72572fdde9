//! Heartbeats: renew the worker's entry in the directory.

use std::sync::Arc;

use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

use super::identity::hostname;
use crate::engine::{Engine, HeartbeatTimes};
use crate::outage::Outage;

/// Renews the entry until the worker ends, and at once when the worker begins to stop.
pub(super) async fn send_heartbeats(engine: Arc<Engine>, times: HeartbeatTimes) {
    let mut outage = Outage::of("the worker directory");
    let (hostname, started_at) = (hostname(), engine.now());
    loop {
        let stopping = engine.stopping.is_cancelled();
        let info = describe(&engine, &hostname, started_at);
        let sent = engine.transport.heartbeat(&info, times.ttl).await;
        if let Some(meters) = &engine.meters {
            meters.heartbeat(sent.is_ok(), engine.health.is_connected());
        }
        match sent {
            Ok(()) => outage.over(engine.now()),
            Err(err) => drop(outage.failed(&err, engine.now())),
        }
        tokio::select! {
            () = engine.sleep(times.interval) => {}
            () = engine.stopping.cancelled(), if !stopping => {}
        }
    }
}

fn describe(engine: &Engine, hostname: &str, started_at: Timestamp) -> WorkerInfo {
    let running = engine.ready.running();
    let status = match running {
        _ if engine.stopping.is_cancelled() => WorkerStatus::Stopping,
        0 => WorkerStatus::Idle,
        _ => WorkerStatus::Busy,
    };
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    WorkerInfo {
        worker_id: engine.deps.worker.clone(),
        status,
        queues: engine.queues.iter().map(|q| q.name.clone()).collect(),
        concurrency: count(engine.concurrency),
        running: count(running),
        hostname: hostname.to_owned(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started_at,
        heartbeat_at: engine.now(),
        finished: engine.counts.finished(),
        failed: engine.counts.failed(),
    }
}
