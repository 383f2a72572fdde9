//! `naq dlq`: jobs that failed for good.

mod bulk;
mod drip;
mod rate;
mod select;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{Client, DeadSummary};
use naq_core::{Clock, JobId, QueueName, SystemClock, Timestamp};
use serde::Serialize;

use super::confirm::Confirm;
use crate::exit::Exit;
use crate::output::{Format, Output, Row};
use crate::report::Shown;
use crate::text::about;

use rate::Rate;
use select::{Filter, Selection, find};

/// Dead letters that are asked for at once.
const PAGE: usize = 256;

#[derive(Debug, Subcommand)]
pub(crate) enum DlqCommand {
    /// Dead letters, oldest first
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  naq dlq list --queue mail
  naq dlq list --error-kind HTTPError -o jsonl --limit 0"
    )]
    List(ListArgs),
    /// One dead letter: why it died, and every attempt
    Show(ShowArgs),
    /// Give dead jobs another life: the same arguments, attempts from 1
    #[command(after_help = "\
Examples:
  naq dlq requeue ID
  naq dlq requeue --queue mail --error-kind HTTPError.503 --dry-run
  naq dlq requeue --all --rate 50/s
  naq dlq requeue --queue mail --drip 50/s --reason 'the provider is back'

With --drip it is a batch: nothing is due in the first 10 s, `naq batch undo ID` takes back what is
not due, and `naq batch resume ID` goes on after a crash.")]
    Requeue(RequeueArgs),
    /// Remove dead letters for good
    #[command(after_help = "\
Examples:
  naq dlq purge ID --yes
  naq dlq purge --task email.send --dry-run")]
    Purge(PurgeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// Show at most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
    /// Begin at this sequence
    #[arg(long, value_name = "SEQ", default_value_t = 0)]
    from: u64,
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The job's id
    id: JobId,
    /// Its queue [default: wherever it is]
    #[arg(short, long)]
    queue: Option<QueueName>,
}

#[derive(Debug, Args)]
pub(crate) struct RequeueArgs {
    #[command(flatten)]
    selection: Selection,
    /// Spread them: the first at once, the others this fast, as 50/s or 10/m. The times are kept
    /// by the broker, so the command itself does not wait
    #[arg(long, value_name = "RATE", conflicts_with = "drip")]
    rate: Option<Rate>,
    /// As a batch that can be watched and undone: they come this fast, as 50/s, after 10 s
    #[arg(long, value_name = "RATE")]
    drip: Option<Rate>,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    #[command(flatten)]
    selection: Selection,
    /// Why, for the audit log
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
    #[command(flatten)]
    confirm: Confirm,
}

impl DlqCommand {
    /// What can be said to be wrong before anything is connected to.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::List(_) | Self::Show(_) => Ok(()),
            Self::Requeue(args) => bulk::check_requeue(args, out),
            Self::Purge(args) => bulk::check_purge(args, out),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<Exit> {
        match self {
            Self::List(args) => list(args, client, out).await?,
            Self::Show(args) => {
                let letter = find(client, &args.id, args.queue.as_ref()).await?;
                let report = naq_client::JobReport::resolve(std::slice::from_ref(&letter));
                if let Some(report) = report {
                    let shown = Shown::from(&report);
                    out.one(&shown, || shown.words())?;
                }
            }
            Self::Requeue(args) if args.drip.is_some() => {
                return drip::requeue(args, client, out).await;
            }
            Self::Requeue(args) => return bulk::requeue(args, client, out).await,
            Self::Purge(args) => return bulk::purge(args, client, out).await,
        }
        Ok(Exit::Ok)
    }
}

/// A dead letter, and the time that its death is compared with.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    letter: DeadSummary,
    #[serde(skip)]
    now: Timestamp,
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &["JOB", "QUEUE", "TASK", "AGE", "~ERROR"];
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

async fn list(args: &ListArgs, client: &Client, out: Output) -> Result<()> {
    let limit = if args.limit == 0 { usize::MAX } else { args.limit };
    let filter = args.filter.to_dead_filter();
    let now = SystemClock.now();
    let (mut lines, mut shown, mut next) = (Vec::new(), 0, Some(args.from));
    let mut more = None;
    while let Some(from) = next {
        let page = client.dead_letters(&filter, from, PAGE).await?;
        for letter in &page.letters {
            if shown == limit {
                more = more.or(Some(letter.seq));
                break;
            }
            shown += 1;
            lines.push(Line { letter: DeadSummary::from(letter), now });
        }
        if out.format() == Format::Jsonl {
            // As they come: a long list needs no memory here.
            out.list(&std::mem::take(&mut lines))?;
        }
        next = page.next.filter(|_| more.is_none());
    }
    if out.format() != Format::Jsonl {
        out.list(&lines)?;
    }
    match more {
        Some(seq) => out.note(format_args!("there are more: --from {seq}, or --limit 0 for all")),
        None => Ok(()),
    }
}
