//! `naq job cancel`: cancels one job, or as a batch all that match.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::{AuditEntry, BatchAction, BatchOrder, BatchScope, Client, LiveFilter};
use naq_core::{ErrorKind, JobState, QueueName, TaskName, Timestamp};

use super::list::parse_live_state;
use super::{acted, find_job};
use crate::commands::confirm::{self, Confirm};
use crate::commands::{audit, batch};
use crate::exit::{CliError, ExitCode};
use crate::job_name::JobName;
use crate::operator_name::operator_name;
use crate::output::Output;
use crate::text::parse_duration;

#[derive(Debug, Args)]
pub(crate) struct JobCancelArgs {
    /// The job: its id, or QUEUE/ID as the lists print it
    id: Option<JobName>,
    /// The job's queue; without an id: every job of this queue that matches
    #[arg(short, long)]
    queue: Option<QueueName>,
    /// Every job in this state: pending, running, scheduled, retrying or blocked
    #[arg(short, long, conflicts_with = "id", value_parser = parse_live_state(), hide_possible_values = true)]
    state: Option<JobState>,
    /// Every job of this task
    #[arg(long, conflicts_with = "id")]
    task: Option<TaskName>,
    /// Every job whose last error is of this kind or below it, such as HTTPError
    #[arg(long, value_name = "KIND", conflicts_with = "id")]
    error_kind: Option<ErrorKind>,
    /// Every job with this tag
    #[arg(long, conflicts_with = "id")]
    tag: Option<String>,
    /// Every job that was enqueued longer ago than this, such as 2h
    #[arg(long, value_name = "DURATION", conflicts_with = "id", value_parser = parse_duration)]
    older_than: Option<Duration>,
    /// Every job that has not ended
    #[arg(long, conflicts_with_all = ["id", "queue", "state", "task", "error_kind", "tag", "older_than"])]
    all: bool,
    /// The reason; it is stored in the job's record
    #[arg(long, default_value = "cancelled by an operator")]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

impl JobCancelArgs {
    /// Refuses a command that selects nothing.
    pub(super) fn check(&self) -> Result<()> {
        let Self { id, queue, state, task, error_kind, tag, older_than, all, .. } = self;
        let selects = id.is_some()
            || queue.is_some()
            || state.is_some()
            || task.is_some()
            || error_kind.is_some()
            || tag.is_some()
            || older_than.is_some()
            || *all;
        if selects {
            return Ok(());
        }
        Err(CliError::usage("no job is selected")
            .next("give an id, or --queue, --state, --task, --error-kind, --tag, --older-than, or --all")
            .into())
    }

    fn filter(&self, now: Timestamp) -> LiveFilter {
        LiveFilter {
            queue: self.queue.clone(),
            state: self.state,
            task: self.task.clone(),
            error_kind: self.error_kind.clone(),
            tag: self.tag.clone(),
            enqueued_before: self.older_than.map(|span| now.saturating_sub(span)),
        }
    }

    pub(super) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        match &self.id {
            Some(id) => self.cancel_one(id, client, out).await,
            None => self.cancel_all(client, out).await,
        }
    }

    async fn cancel_one(&self, id: &JobName, client: &Client, out: Output) -> Result<ExitCode> {
        let job = find_job(id, self.queue.as_ref(), client).await?;
        if self.confirm.dry_run {
            out.one(&job.key, || {
                format!("would cancel job {}, which is {}", job.key.id, job.state)
            })?;
            return Ok(ExitCode::Ok);
        }
        let key = &job.key;
        let report = client.cancel(key, &self.reason).await?;
        let entry = |who: &str| AuditEntry::new(who, "cancel", format!("job {key}"));
        audit::record(client, out, |who| entry(who).reason(&self.reason)).await?;
        acted(&report, "is cancelled", out)?;
        Ok(ExitCode::Ok)
    }

    async fn cancel_all(&self, client: &Client, out: Output) -> Result<ExitCode> {
        let scope = BatchScope::Live(self.filter(client.broker_now().await?));
        let preview = client.preview_batch(&scope).await?;
        if self.confirm.dry_run || preview.is_empty() {
            out.one(&preview, || match preview.is_empty() {
                true => format!("there are no {}", scope.words(None)),
                false => format!("would cancel {}", preview.words),
            })?;
            return Ok(ExitCode::Ok);
        }
        confirm::ask(&self.confirm, out, &format!("cancel {}?", preview.words))?;
        let order = BatchOrder::new(BatchAction::Cancel, scope, operator_name());
        let ran = batch::start_and_run(order.reason(&self.reason), client, out).await?;
        batch::show(ran, out)
    }
}
