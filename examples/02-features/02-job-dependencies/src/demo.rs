//! Starts the flows, waits for their ends, and prints how each job ended.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use naq::client::WorkflowNode;
use naq::memory::MemoryTransport;
use naq::{Client, JobState, Worker, WorkflowHandle, WorkflowReport};

use crate::{flows, jobs};

/// No flow takes longer.
const MAX_WAIT: Duration = Duration::from_secs(60);

/// A client and a worker on a broker in this process's memory. The worker runs jobs while the caller
/// awaits its `run`.
pub fn in_memory() -> (Client, Worker) {
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let worker = Worker::builder(client.clone(), jobs::registry()).build();
    (client, worker)
}

/// Runs all flows, and returns how each job of the two workflows ended.
///
/// # Errors
/// The broker cannot be reached, or a job takes too long.
pub async fn run(client: &Client) -> Result<[WorkflowReport; 2]> {
    let total = flows::by_hand(client).await?;
    let total = total.wait(MAX_WAIT).await?;
    anstream::println!("by hand: {total} rows from two sources\n");
    let etl = finished(&client.start(flows::diamond()).await?).await?;
    let regions = finished(&client.start(flows::regions(client)).await?).await?;
    Ok([etl, regions])
}

async fn finished(workflow: &WorkflowHandle) -> Result<WorkflowReport> {
    for name in workflow.names() {
        let job = workflow.job::<serde_json::Value>(name).context("a job")?;
        // Any end will do: the report below says which.
        let _ = job.wait(MAX_WAIT).await;
    }
    let report = workflow.report().await?;
    anstream::println!("workflow {}", workflow.id());
    for job in &report.jobs {
        anstream::println!("  {}", line(job));
    }
    anstream::println!("draw it: naq workflow show {}\n", workflow.id());
    Ok(report)
}

fn line(job: &WorkflowNode) -> String {
    let state = job.state.map_or("unknown", JobState::as_str);
    let after = match job.after.as_slice() {
        [] => String::new(),
        names => format!("after {}", names.join(", ")),
    };
    let why = match (job.state, &job.reason) {
        (Some(JobState::Completed), _) | (_, None) => String::new(),
        (_, Some(reason)) => format!("({reason})"),
    };
    let attempt = job.attempt.unwrap_or(1);
    let line = format!("{:8} {state:10} attempt {attempt}  {after} {why}", job.name);
    line.trim_end().to_owned()
}
