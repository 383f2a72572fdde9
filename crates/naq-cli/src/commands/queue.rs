//! `naq queue`: counts, pause, limit, purge.

mod limit;
mod row;
mod task;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, Runs};
use naq_core::transport::QueueInfo;
use naq_core::{QueueName, TaskName, Timestamp};
use serde::Serialize;

use self::row::{EndedJobs, QueueRow};
use super::audit;
use super::confirm::{self, Confirm};
use crate::exit::CliError;
use crate::output::{Output, TableRow};
use crate::text::{count, parse_duration};

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List all queues with their counts
    #[command(visible_alias = "ls")]
    List,
    /// Show one queue
    #[command(visible_alias = "show")]
    Info {
        /// The queue
        queue: QueueName,
    },
    /// Create what queues need on the broker: streams and consumers, those that all queues share included.
    /// Other programs then need no right to create anything
    #[command(after_help = "Example:\n  naq queue create mail billing")]
    Create {
        /// The queues
        #[arg(required = true, value_name = "QUEUE")]
        queues: Vec<QueueName>,
    },
    /// Pause queues: their jobs do not start; running jobs go on
    #[command(after_help = "\
Examples:
  naq queue pause mail --for 30m
  naq queue pause mail billing
  naq queue pause mail --task email.send --reason 'the provider is down'")]
    Pause(QueuePauseArgs),
    /// Resume paused queues
    Resume {
        /// The queues
        #[arg(required = true, value_name = "QUEUE")]
        queues: Vec<QueueName>,
        /// Only this task, if it was paused with --task
        #[arg(long, value_name = "TASK")]
        task: Option<TaskName>,
    },
    /// Limit how many jobs of a queue run at once, or how many it stores
    Limit(limit::QueueLimitArgs),
    /// Remove every job of the queues, or of one task: pending, running and waiting; dead letters stay
    ///
    /// No record of the jobs stays. To end jobs with a record, cancel them: naq job cancel.
    #[command(after_help = "\
Examples:
  naq queue purge mail --dry-run
  naq queue purge mail --yes
  naq queue purge mail --task email.send --yes")]
    Purge(QueuePurgeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct QueuePauseArgs {
    /// The queues
    #[arg(required = true, value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// How long, such as 30m or 2h [default: until resumed]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "until")]
    span: Option<Duration>,
    /// Until this time, such as 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only the jobs of this task; they are held back, and no attempt is counted
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// The reason
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct QueuePurgeArgs {
    /// The queues
    #[arg(required = true, value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// Only the jobs of this task
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    #[command(flatten)]
    confirm: Confirm,
}

impl QueueCommand {
    /// Asks before a purge.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::Purge(args) => args.check(out),
            _ => Ok(()),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match self {
            Self::List => {
                let (queues, paused) = (client.queues().await?, client.paused_tasks().await?);
                let runs = client.runs().await?;
                let now = client.now();
                let line = |info| QueueRow::new(info, &runs, &paused, now);
                out.list(&queues.into_iter().map(line).collect::<Vec<_>>())
            }
            Self::Info { queue } => {
                let (info, paused) = (info(client, queue).await?, client.paused_tasks().await?);
                let last_day = EndedJobs::of(queue, client).await;
                let holds = client.holds(queue).await?;
                let runs = client.runs().await?;
                let mut line = QueueRow::new(info, &runs, &paused, client.now());
                (line.last_day, line.holds) = (last_day, holds);
                out.one(&line, || line.details())
            }
            Self::Create { queues } => create(queues, client, out).await,
            Self::Pause(args) => match &args.task {
                Some(task) => task::pause(args, task, client, out).await,
                None => pause(args, client, out).await,
            },
            Self::Resume { queues, task: Some(task) } => {
                task::resume(queues, task, client, out).await
            }
            Self::Resume { queues, task: None } => resume(queues, client, out).await,
            Self::Limit(args) => args.run(client, out).await,
            Self::Purge(args) => args.run(client, out).await,
        }
    }
}

async fn info(client: &Client, queue: &QueueName) -> Result<QueueInfo> {
    let found = client.transport().queue_info(queue).await?;
    Ok(found.ok_or_else(|| missing(queue))?)
}

fn missing(queue: &QueueName) -> CliError {
    CliError::not_found(format!("no queue {queue}")).next("list the queues: naq queue list")
}

async fn all_exist(client: &Client, queues: &[QueueName]) -> Result<()> {
    let known = client.transport().queues().await?;
    match queues.iter().find(|queue| !known.contains(queue)) {
        Some(queue) => Err(missing(queue).into()),
        None => Ok(()),
    }
}

/// The result of an action on a queue.
#[derive(Serialize)]
struct QueueActionResult<'a> {
    queue: &'a QueueName,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u64>,
    #[serde(skip)]
    words: String,
}

impl TableRow for QueueActionResult<'_> {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "~DONE"];
    const NONE: &'static str = "nothing to do";

    fn cells(&self) -> Vec<String> {
        vec![self.queue.to_string(), self.words.clone()]
    }
}

async fn create(queues: &[QueueName], client: &Client, out: Output) -> Result<()> {
    let mut done = Vec::new();
    for queue in queues {
        client.transport().create_queue(queue).await?;
        let entry = |who: &str| AuditEntry::new(who, "create", format!("queue {queue}"));
        audit::record(client, out, entry).await?;
        let words = "has its streams".into();
        done.push(QueueActionResult { queue, paused_until: None, jobs: None, words });
    }
    out.list(&done)
}

async fn pause(args: &QueuePauseArgs, client: &Client, out: Output) -> Result<()> {
    all_exist(client, &args.queues).await?;
    let until = match (args.until, args.span) {
        (Some(until), _) => until,
        (None, span) => client.broker_now().await? + span.unwrap_or(QueueInfo::UNTIL_RESUMED),
    };
    let mut done = Vec::new();
    for queue in &args.queues {
        client.transport().pause(queue, until).await?;
        let line = QueueRow::new(info(client, queue).await?, &Runs::default(), &[], client.now());
        let entry = |who: &str| AuditEntry::new(who, "pause", format!("queue {queue}"));
        audit::record(client, out, |who| entry(who).reason(&args.reason)).await?;
        done.push(QueueActionResult {
            queue,
            paused_until: Some(until),
            jobs: None,
            words: line.state(),
        });
    }
    out.list(&done)
}

async fn resume(queues: &[QueueName], client: &Client, out: Output) -> Result<()> {
    all_exist(client, queues).await?;
    let mut done = Vec::new();
    for queue in queues {
        client.transport().resume(queue).await?;
        let entry = |who: &str| AuditEntry::new(who, "resume", format!("queue {queue}"));
        audit::record(client, out, entry).await?;
        done.push(QueueActionResult {
            queue,
            paused_until: None,
            jobs: None,
            words: "open".into(),
        });
    }
    out.list(&done)
}

impl QueuePurgeArgs {
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        let names: Vec<_> = self.queues.iter().map(QueueName::as_str).collect();
        let jobs = match &self.task {
            Some(task) => format!("every job of the task {task}"),
            None => "every job".into(),
        };
        let question = format!("remove {jobs} of {} permanently?", names.join(", "));
        confirm::ask(&self.confirm, out, &question)
    }

    /// How many jobs a purge would remove.
    async fn count(&self, client: &Client, queue: &QueueName) -> Result<u64> {
        match &self.task {
            Some(task) => Ok(client.count_task(queue, task).await?),
            None => {
                let info = info(client, queue).await?;
                Ok(info.pending + info.running + info.waiting)
            }
        }
    }

    async fn purge(&self, client: &Client, queue: &QueueName) -> Result<u64> {
        Ok(match &self.task {
            Some(task) => client.purge_task(queue, task).await?,
            None => client.purge_queue(queue).await?,
        })
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        all_exist(client, &self.queues).await?;
        let mut done = Vec::new();
        for queue in &self.queues {
            let jobs = if self.confirm.dry_run {
                self.count(client, queue).await?
            } else {
                let jobs = self.purge(client, queue).await?;
                let target = match &self.task {
                    Some(task) => format!("task {task} of the queue {queue}"),
                    None => format!("queue {queue}"),
                };
                let entry = |who: &str| AuditEntry::new(who, "purge", target.clone());
                audit::record(client, out, |who| entry(who).count(jobs)).await?;
                jobs
            };
            let verb = if self.confirm.dry_run { "would remove" } else { "removed" };
            let words = format!("{verb} {}", count(jobs, "job"));
            done.push(QueueActionResult { queue, paused_until: None, jobs: Some(jobs), words });
        }
        out.list(&done)
    }
}
