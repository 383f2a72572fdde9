//! `naq outbox list`, `retry` and `discard`.

use anyhow::Result;
use clap::Args;
use naq_core::{Clock, SystemClock};
use naq_outbox::{OutboxRow, OutboxTable, RowState};
use serde::Serialize;

use super::database::{Database, DatabaseArgs};
use crate::exit::{CliError, ExitCode};
use crate::output::{Output, TableRow};
use crate::text::{about, count};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq outbox list
  naq outbox list --state failed -o json
  naq outbox list --after 4711 --limit 200

A failed row was refused by the broker. An unclear row may have been published by a relay that died,
so long ago that the broker keeps no record of its job. Both wait for `naq outbox retry` or
`naq outbox discard`, and stop the later rows of their order key.")]
pub(crate) struct ListArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Only rows in these states: pending, failed, unclear, published, discarded
    #[arg(
        long,
        value_name = "STATE,...",
        value_delimiter = ',',
        default_value = "pending,failed,unclear"
    )]
    state: Vec<RowState>,
    /// Only rows after this one
    #[arg(long, value_name = "ROW", default_value_t = 0)]
    after: i64,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq outbox retry 4711 4712
  naq outbox retry --all

A relay publishes these rows again. For an unclear row that means: unless the broker still knows
the job. If its job has run, it then runs a second time.")]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The numbers of the rows, as `naq outbox list` shows them
    #[arg(value_name = "ROW", required_unless_present = "all", conflicts_with = "all")]
    rows: Vec<i64>,
    /// All failed and unclear rows
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq outbox discard 4711
  naq outbox discard 4711 4712 --yes

The jobs of these rows are never published. Rows that are published, or that a relay has, stay.")]
pub(crate) struct DiscardArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// The numbers of the rows, as `naq outbox list` shows them
    #[arg(value_name = "ROW", required = true)]
    rows: Vec<i64>,
    /// Do not ask; needed without a terminal
    #[arg(short, long)]
    yes: bool,
}

/// One line of `naq outbox list`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct ListedRow(OutboxRow);

impl TableRow for ListedRow {
    const COLUMNS: &'static [&'static str] =
        &[">ROW", "STATE", "QUEUE", "TASK", "JOB", "KEY", ">ATTEMPTS", ">AGE", "~ERROR"];
    const NONE: &'static str = "no rows in these states";

    fn cells(&self) -> Vec<String> {
        let row = &self.0;
        vec![
            row.row.to_string(),
            row.state.map_or_else(|| "unknown".to_owned(), |state| state.to_string()),
            row.queue.clone(),
            row.task.clone(),
            row.job_id.clone(),
            row.order_key.clone().unwrap_or_default(),
            row.attempts.to_string(),
            about(SystemClock.now().since(row.created_at)),
            row.error.clone().unwrap_or_default(),
        ]
    }
}

/// The answer of `naq outbox retry` and `discard`.
#[derive(Debug, Serialize)]
struct ChangedRows {
    rows: u64,
}

impl ListArgs {
    pub(super) async fn run(&self, out: Output) -> Result<ExitCode> {
        let rows = match self.database.open().await? {
            Database::Postgres(pool) => {
                OutboxTable::new(pool).list(&self.state, self.after, self.limit).await?
            }
            Database::Sqlite(pool) => {
                OutboxTable::new(pool).list(&self.state, self.after, self.limit).await?
            }
        };
        let last = rows.last().map(|row| row.row).filter(|_| rows.len() == self.limit as usize);
        out.list(&rows.into_iter().map(ListedRow).collect::<Vec<_>>())?;
        if let Some(last) = last {
            out.note(format_args!("there may be more: --after {last}"))?;
        }
        Ok(ExitCode::Ok)
    }
}

impl RetryArgs {
    pub(super) async fn run(&self, out: Output) -> Result<ExitCode> {
        let rows = match (self.database.open().await?, self.all) {
            (Database::Postgres(pool), true) => OutboxTable::new(pool).retry_all().await?,
            (Database::Postgres(pool), false) => OutboxTable::new(pool).retry(&self.rows).await?,
            (Database::Sqlite(pool), true) => OutboxTable::new(pool).retry_all().await?,
            (Database::Sqlite(pool), false) => OutboxTable::new(pool).retry(&self.rows).await?,
        };
        out.one(&ChangedRows { rows }, || format!("{} pending again", count(rows, "row")))?;
        all_changed(rows, if self.all { 0 } else { self.rows.len() }, "failed or unclear")
    }
}

impl DiscardArgs {
    pub(super) fn check(&self, out: Output) -> Result<()> {
        if self.yes || out.can_ask() {
            return Ok(());
        }
        Err(CliError::usage("there is no terminal to ask on")
            .next("add --yes; to see the rows first: naq outbox list")
            .into())
    }

    pub(super) async fn run(&self, out: Output) -> Result<ExitCode> {
        let question = format!("give up {}?", count(self.rows.len() as u64, "row"));
        if !self.yes && out.confirm(&question)? != Some(true) {
            return Err(CliError::new(ExitCode::Failed, "not done: the answer was no").into());
        }
        let rows = match self.database.open().await? {
            Database::Postgres(pool) => OutboxTable::new(pool).discard(&self.rows).await?,
            Database::Sqlite(pool) => OutboxTable::new(pool).discard(&self.rows).await?,
        };
        out.one(&ChangedRows { rows }, || format!("{} given up", count(rows, "row")))?;
        all_changed(rows, self.rows.len(), "pending, failed or unclear, or a relay has it")
    }
}

/// An error if not all of the rows that the user named were changed.
fn all_changed(changed: u64, named: usize, states: &str) -> Result<ExitCode> {
    let missing = (named as u64).saturating_sub(changed);
    if missing == 0 {
        return Ok(ExitCode::Ok);
    }
    let what = format!(
        "{} not changed: there is no such row, or it is not {states}",
        count(missing, "row")
    );
    Err(CliError::not_found(what).next("look at the rows: naq outbox list").into())
}
