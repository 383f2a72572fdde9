//! `naq workflow`: draws, lists and cancels graphs of jobs.

mod draw;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, WorkflowError, WorkflowReport, WorkflowSummary};
use naq_core::{JobId, QueueName, Timestamp};
use serde::Serialize;

use super::audit;
use crate::output::{Output, TableRow};
use crate::text::{about, count};

#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// Draw the jobs of a workflow: their order, their states, what they wait for
    #[command(after_help = "\
Examples:
  naq workflow show etl-7f3a          the whole workflow
  naq workflow show JOB               a job, its parents and its dependents
  naq workflow show etl-7f3a -o json | jq '.jobs[] | select(.state == \"dead\")'

A job is drawn below the last of its parents; its other parents are named beside it.")]
    Show(WorkflowShowArgs),
    /// List the workflows of the last 30 days
    #[command(visible_alias = "ls")]
    List,
    /// Cancel all jobs of a workflow that have not ended
    #[command(after_help = "\
Examples:
  naq workflow cancel etl-7f3a --reason 'the source is broken'

The last jobs are cancelled first, so that the end of a parent starts no dependent.")]
    Cancel {
        /// The id of the workflow
        id: JobId,
        /// The reason; it is stored in the records of the jobs
        #[arg(long, default_value = "the workflow was cancelled by an operator")]
        reason: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct WorkflowShowArgs {
    /// The id of a workflow or of a job
    id: JobId,
    /// The job's queue, if several queues have a job with this id
    #[arg(short, long)]
    queue: Option<QueueName>,
    /// Draw with plain ASCII; the default if the locale is not UTF-8
    #[arg(long)]
    ascii: bool,
    /// Draw every job, even if many are side by side
    #[arg(short, long)]
    all: bool,
}

/// One line of `naq workflow list`: a workflow, and the time at which it was read.
#[derive(Serialize)]
struct WorkflowRow {
    #[serde(flatten)]
    workflow: WorkflowSummary,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for WorkflowRow {
    const COLUMNS: &'static [&'static str] = &["WORKFLOW", "NAME", ">JOBS", "STARTED", "NOTE"];
    const LEFT_OUT: &'static [&'static str] = &["NOTE", "STARTED", "JOBS"];
    const NONE: &'static str = "no workflows";

    fn cells(&self) -> Vec<String> {
        let WorkflowSummary { id, name, enqueued_at, jobs, cancelled } = &self.workflow;
        vec![
            id.to_string(),
            name.clone(),
            jobs.to_string(),
            format!("{} ago", about(self.now.since(*enqueued_at))),
            if *cancelled { "cancelled".to_owned() } else { String::new() },
        ]
    }
}

/// The result of `naq workflow cancel`.
#[derive(Serialize)]
struct CancelResult {
    id: JobId,
    cancelled: usize,
}

impl WorkflowCommand {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match self {
            Self::Show(args) => {
                let (report, job) = args.find(client).await?;
                let style = draw::Style::new(args.ascii, args.all);
                out.one(&report, || draw::words(&report, job.as_ref(), client.now(), &style))
            }
            Self::List => {
                let now = client.now();
                let lines = client.workflows().await?.into_iter();
                out.list(&lines.map(|workflow| WorkflowRow { workflow, now }).collect::<Vec<_>>())
            }
            Self::Cancel { id, reason } => {
                let cancelled = client.cancel_workflow(id, reason).await?;
                let entry = |who: &str| AuditEntry::new(who, "cancel", format!("workflow {id}"));
                let jobs = cancelled as u64;
                audit::record(client, out, |who| entry(who).count(jobs).reason(reason)).await?;
                let ended = CancelResult { id: id.clone(), cancelled };
                out.one(&ended, || {
                    format!("{} of workflow {id} cancelled", count(cancelled as u64, "job"))
                })
            }
        }
    }
}

impl WorkflowShowArgs {
    /// Finds the workflow with this id; or else the job with this id, and its workflow or, without
    /// one, its parents and dependents. Returns the job's id in the second case.
    async fn find(&self, client: &Client) -> Result<(WorkflowReport, Option<JobId>)> {
        match client.workflow(&self.id).await {
            Err(WorkflowError::Unknown(_)) => {}
            found => return Ok((found?, None)),
        }
        let job = client.job(&self.id, self.queue.as_ref()).await?;
        let id = Some(job.key.id.clone());
        if let Some(workflow) = job.envelope.as_ref().and_then(|job| job.workflow.as_ref()) {
            match client.workflow(workflow).await {
                Err(WorkflowError::Unknown(_)) => {}
                found => return Ok((found?, id)),
            }
        }
        Ok((client.surroundings(&job.key).await?, id))
    }
}
