//! `naq workers`: lists the workers, shows one with its jobs, and drains one.

mod show;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, Run};
use naq_core::transport::{WorkerInfo, WorkerStatus};
use naq_core::{Clock, SystemClock, Timer, Timestamp, WorkerId};
use serde::Serialize;

use super::audit;
use crate::exit::{CliError, ExitCode};
use crate::output::{Output, TableRow};
use crate::text::{about, parse_duration};

/// How often the list is read while a worker drains.
const CHECK_EVERY: Duration = Duration::from_millis(250);

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct WorkersArgs {
    #[command(subcommand)]
    command: Option<WorkersCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkersCommand {
    /// List the workers that are alive
    #[command(visible_alias = "ls")]
    List,
    /// Show one worker and the jobs that it runs: since when, and with what progress
    #[command(after_help = "\
Examples:
  naq workers show host-4711-9f3a
  naq workers show host-4711-9f3a -o json | jq '.runs[].job'")]
    Show {
        /// The worker's id, as naq workers lists it
        id: WorkerId,
    },
    /// Stop a worker gracefully: it finishes its running jobs, and its process ends
    #[command(after_help = "\
Examples:
  naq workers drain host-4711-9f3a
  naq workers drain host-4711-9f3a --wait 1m

The worker acts as on SIGTERM. A supervisor may start it again.")]
    Drain {
        /// The worker's id, as naq workers lists it
        id: WorkerId,
        /// Wait until the worker has stopped, at most this long
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        wait: Option<Duration>,
    },
}

/// One line of `naq workers`: a worker, and the time against which its heartbeat is computed.
#[derive(Serialize)]
struct WorkerRow {
    #[serde(flatten)]
    worker: WorkerInfo,
    /// The job that it has run longest.
    longest_run: Option<Run>,
    #[serde(skip)]
    now: Timestamp,
}

impl WorkerRow {
    fn longest(&self) -> String {
        let started = self.longest_run.as_ref().and_then(|run| run.started_at);
        started.map_or("-".into(), |at| about(self.now.since(at)))
    }
}

impl TableRow for WorkerRow {
    const COLUMNS: &'static [&'static str] = &[
        "WORKER", "STATUS", "~QUEUES", ">RUNNING", ">LONGEST", ">DONE", ">FAILED", "HOST", "UP",
        "SEEN",
    ];
    const LEFT_OUT: &'static [&'static str] = &["HOST", "UP", "FAILED", "DONE", "QUEUES"];
    const NONE: &'static str = "no workers; to start one: naq worker";

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
            self.longest(),
            w.finished.to_string(),
            w.failed.to_string(),
            format!("{}:{}", w.hostname, w.pid),
            about(self.now.since(w.started_at)),
            format!("{} ago", about(self.now.since(w.heartbeat_at))),
        ]
    }
}

/// The result of `naq workers drain`.
#[derive(Serialize)]
struct DrainResult {
    #[serde(flatten)]
    worker: WorkerInfo,
    gone: bool,
}

impl WorkersArgs {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match &self.command {
            None | Some(WorkersCommand::List) => list(client, out).await,
            Some(WorkersCommand::Show { id }) => show::show(id, client, out).await,
            Some(WorkersCommand::Drain { id, wait }) => drain(id, *wait, client, out).await,
        }
    }
}

async fn list(client: &Client, out: Output) -> Result<()> {
    let workers = client.list_workers().await?;
    let (runs, now) = (client.runs().await?, client.now());
    let row = |worker: WorkerInfo| {
        let longest_run = runs.of_worker(&worker.worker_id).next().cloned();
        WorkerRow { longest_run, worker, now }
    };
    out.list(&workers.into_iter().map(row).collect::<Vec<_>>())
}

async fn drain(id: &WorkerId, wait: Option<Duration>, client: &Client, out: Output) -> Result<()> {
    let worker = client.drain_worker(id).await?;
    audit::record(client, out, |who| AuditEntry::new(who, "drain", format!("worker {id}"))).await?;
    let gone = match wait {
        None => false,
        Some(wait) => {
            wait_until_gone(id, SystemClock.now() + wait, client).await?;
            true
        }
    };
    let running = worker.running;
    out.one(&DrainResult { worker, gone }, || match (gone, running) {
        (true, _) => format!("worker {id} has stopped"),
        (false, 0) => format!("worker {id} is stopping"),
        (false, n) => format!(
            "worker {id} stops when its {} ended",
            if n == 1 { "running job has" } else { "running jobs have" }
        ),
    })
}

async fn wait_until_gone(id: &WorkerId, until: Timestamp, client: &Client) -> Result<()> {
    loop {
        let workers = client.list_workers().await?;
        if workers.iter().all(|worker| worker.worker_id != *id) {
            return Ok(());
        }
        let now = SystemClock.now();
        if now >= until {
            let what = format!("worker {id} has not stopped yet");
            return Err(CliError::new(ExitCode::Failed, what)
                .next("it finishes its running jobs; to list the workers: naq workers")
                .into());
        }
        SystemClock.sleep_until(now + CHECK_EVERY).await;
    }
}
