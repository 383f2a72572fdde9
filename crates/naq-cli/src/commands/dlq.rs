//! `naq dlq`: the dead letter queue.

mod archive;
mod bulk;
mod dead_limits;
mod drip_rate;
mod edit;
mod named;
mod select;
mod trim;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{Client, DeadSummary};
use naq_core::{QueueName, Timestamp};
use serde::Serialize;

use super::confirm::Confirm;
use crate::exit::ExitCode;
use crate::job_details::JobDetails;
use crate::job_name::JobName;
use crate::output::{Format, Output, TableRow};
use crate::text::{about, skipped_note};

use drip_rate::DripRate;
use edit::DlqEditArgs;
use select::{DlqFilterArgs, DlqSelectionArgs, find};
use trim::DlqTrimArgs;

/// Dead letters in one request to the broker.
const PAGE: usize = 256;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// List dead letters, oldest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  naq dlq list --queue mail
  naq dlq list --error-kind HTTPError -o jsonl --limit 0"
    )]
    List(DlqListArgs),
    /// Show one dead letter: why the job died, and every attempt
    Show(DlqShowArgs),
    /// Requeue dead letters: each job runs again with the same arguments, from attempt 1
    #[command(after_help = "\
Examples:
  naq dlq requeue ID
  naq dlq requeue --queue mail --error-kind HTTPError.503 --dry-run
  naq dlq requeue --all --rate 50/s
  naq dlq requeue --queue mail --drip 50/s --reason 'the provider is back'
  naq dlq requeue ID --edit
  naq dlq requeue ID --new-args '{\"to\":\"ann@example.com\"}' --new-policy exponential:10s

A requeue with --queue, --task, --error-kind, --all, --rate or --drip is a batch. `naq batch undo
ID` undoes it for the jobs that are not due yet. `naq batch resume ID` continues it after a crash.
With --rate the first job is due at once. With --drip no job is due in the first 10 s, so all of
them can be undone, and the command prints the batch.")]
    Requeue(Box<DlqRequeueArgs>),
    /// Remove dead letters; this cannot be undone
    #[command(after_help = "\
Examples:
  naq dlq purge ID --yes
  naq dlq purge --task email.send --dry-run")]
    Purge(DlqPurgeArgs),
    /// Keep the dead letters of each queue within limits: the oldest are archived to a file, or dropped
    #[command(after_help = "\
Examples:
  naq dlq trim --max-age 30d --archive /var/lib/naq/dead.jsonl --yes
  naq dlq trim --queue mail --max-count 10000 --max-bytes 500MB --archive dead.jsonl --dry-run
  naq dlq trim --queue mail --max-count 1000 --drop
  naq enqueue --file dead.jsonl                    the archived jobs run again, under their ids

Run it every hour or every day, from cron or a systemd timer. A letter is on the disk before it is
removed. A dead letter never goes by itself. To be told of many: naq check dlq.")]
    Trim(DlqTrimArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DlqListArgs {
    #[command(flatten)]
    filter: DlqFilterArgs,
    /// Show at most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Start at this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
}

#[derive(Debug, Args)]
pub(crate) struct DlqShowArgs {
    /// The job: its id, or QUEUE/ID
    id: JobName,
    /// The job's queue [default: any]
    #[arg(short, long)]
    queue: Option<QueueName>,
}

#[derive(Debug, Args)]
pub(crate) struct DlqRequeueArgs {
    #[command(flatten)]
    selection: DlqSelectionArgs,
    /// At this rate, such as 50/s or 10/m: the first job is due at once. The broker stores the due
    /// times, so the command does not wait for them
    #[arg(long, value_name = "RATE", conflicts_with = "drip")]
    rate: Option<DripRate>,
    /// As --rate, but the first job is due after 10 s, so that all can be undone; prints the batch
    #[arg(long, value_name = "RATE")]
    drip: Option<DripRate>,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
    // The last field, because clap prints the fields after it under its heading.
    #[command(flatten)]
    edit: DlqEditArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DlqPurgeArgs {
    #[command(flatten)]
    selection: DlqSelectionArgs,
    /// The reason, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

impl DlqCommand {
    /// Checks the arguments as far as possible without a connection. Asks the user to confirm a purge.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::List(_) | Self::Show(_) | Self::Trim(_) => Ok(()),
            // Asked about later, when the number of letters is known.
            Self::Requeue(args) => {
                args.selection.check()?;
                Ok(args.edit.check(args.selection.ids.len())?)
            }
            Self::Purge(args) => bulk::check_purge(args, out),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => list(args, client, out).await?,
            Self::Show(args) => {
                let letter = find(client, &args.id, args.queue.as_ref()).await?;
                let report = naq_client::JobReport::resolve(std::slice::from_ref(&letter));
                if let Some(report) = report {
                    let shown = JobDetails::from(&report);
                    out.one(&shown, || shown.words())?;
                }
            }
            Self::Requeue(args) => return bulk::requeue(args, client, out).await,
            Self::Purge(args) => return bulk::purge(args, client, out).await,
            Self::Trim(args) => return args.run(client, out).await,
        }
        Ok(ExitCode::Ok)
    }
}

/// One line of `naq dlq list`: a dead letter, and the time at which it was read.
#[derive(Serialize)]
struct DeadLetterRow {
    #[serde(flatten)]
    letter: DeadSummary,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for DeadLetterRow {
    const COLUMNS: &'static [&'static str] = &["JOB", "QUEUE", "TASK", "AGE", "~ERROR"];
    const LEFT_OUT: &'static [&'static str] = &["AGE", "QUEUE", "TASK"];
    const NONE: &'static str = "no dead letters";

    fn cells(&self) -> Vec<String> {
        let letter = &self.letter;
        vec![
            letter.id.to_string(),
            letter.queue.to_string(),
            letter.task.as_ref().map_or("?".into(), ToString::to_string),
            about(self.now.since(letter.died_at)),
            error_cell(letter),
        ]
    }
}

fn error_cell(letter: &DeadSummary) -> String {
    const SHOWN: usize = 60;
    let mut text = format!("{}: {}", letter.error_kind, letter.message);
    if text.chars().count() > SHOWN {
        text = text.chars().take(SHOWN - 1).chain(['…']).collect();
    }
    text
}

async fn list(args: &DlqListArgs, client: &Client, out: Output) -> Result<()> {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let filter = args.filter.to_dead_filter();
    let now = client.broker_now().await?;
    let (mut lines, mut shown, mut next) = (Vec::new(), 0, Some(args.from));
    let (mut more, mut skipped) = (None, 0);
    while let Some(from) = next {
        let page = client.dead_letters(&filter, from, PAGE).await?;
        skipped += page.skipped;
        for letter in &page.letters {
            if shown == limit {
                more = more.or(Some(letter.seq));
                break;
            }
            shown += 1;
            lines.push(DeadLetterRow { letter: client.dead_summary(letter), now });
        }
        if out.format() == Format::Jsonl {
            // Each page is printed at once, so that a long list is never in memory as a whole.
            out.list(&std::mem::take(&mut lines))?;
        }
        next = page.next.filter(|_| more.is_none());
    }
    if out.format() != Format::Jsonl {
        out.list(&lines)?;
    }
    if skipped > 0 {
        out.note(skipped_note(skipped))?;
    }
    match more {
        Some(seq) => out.note(format_args!("there are more: --from {seq}, or --limit 0 for all")),
        None => Ok(()),
    }
}
