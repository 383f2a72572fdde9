//! `naq workers`: who is there.

use anyhow::Result;
use naq_core::transport::{WorkerInfo, WorkerStatus};
use naq_core::{Client, Clock, SystemClock, Timestamp};
use serde::Serialize;

use crate::output::{Output, Row};
use crate::text::about;

/// A worker, and how long ago it gave a sign of life.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    worker: WorkerInfo,
    #[serde(skip)]
    now: Timestamp,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] =
        &["WORKER", "STATUS", "~QUEUES", ">RUNNING", ">DONE", ">FAILED", "HOST", "UP", "SEEN"];
    const NONE: &'static str = "no workers; start one: naq worker";

    fn cells(&self) -> Vec<String> {
        let w = &self.worker;
        let queues: Vec<_> = w.queues.iter().map(|q| q.as_str()).collect();
        let status = if w.status == WorkerStatus::Busy && w.running >= w.concurrency {
            "full".to_owned()
        } else {
            w.status.to_string()
        };
        vec![
            w.worker_id.to_string(),
            status,
            queues.join(" "),
            format!("{}/{}", w.running, w.concurrency),
            w.finished.to_string(),
            w.failed.to_string(),
            format!("{}:{}", w.hostname, w.pid),
            about(self.now.since(w.started_at)),
            format!("{} ago", about(self.now.since(w.heartbeat_at))),
        ]
    }
}

pub(crate) async fn run(client: &Client, out: Output) -> Result<()> {
    let now = SystemClock.now();
    let workers = client.list_workers().await?;
    let lines: Vec<Line> = workers.into_iter().map(|worker| Line { worker, now }).collect();
    out.list(&lines)
}
