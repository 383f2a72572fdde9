//! `naq migrate`: brings the streams of an earlier version of NAQ to the settings of this one.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use naq_client::{AuditEntry, Client};
use naq_nats::{NatsTransport, SchemaStatus, SettingChange, StreamPlan};
use serde::Serialize;

use crate::commands::audit;
use crate::connection::ClientConfig;
use crate::exit::{CliError, ExitCode};
use crate::output::{Format, Output, TableRow};
use crate::text::count;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq migrate --dry-run
  naq migrate
  naq migrate --yes -o json

Each stream says in its metadata which schema it has: a number for its settings. This command
changes those that an earlier version made, one after the other, and no message in them. A command
that was interrupted is repeated as it was. While workers run that a change would harm, or if a
stream has a schema that this program does not know, nothing is changed. It needs the right to
publish to $JS.API.STREAM.UPDATE.> (docs/upgrading.md).")]
pub(crate) struct MigrateArgs {
    /// Print what the command would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask; needed without a terminal
    #[arg(short, long)]
    yes: bool,
}

/// What became of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum MigrateResult {
    /// It is current, or another process has changed or removed it meanwhile.
    Unchanged,
    /// A migration changes it.
    WouldChange,
    /// A migration refuses it.
    Refused,
    /// It was changed now.
    Changed,
}

/// One line of `naq migrate`: a stream.
#[derive(Debug, Serialize)]
struct MigrateRow {
    #[serde(flatten)]
    plan: StreamPlan,
    result: MigrateResult,
}

impl TableRow for MigrateRow {
    const COLUMNS: &'static [&'static str] =
        &["STREAM", ">SCHEMA", ">CURRENT", "~CHANGES", "RESULT"];
    const NONE: &'static str = "there are no streams yet";

    fn cells(&self) -> Vec<String> {
        let plan = &self.plan;
        let schema = match plan.status {
            SchemaStatus::NotWritten => format!("{} (not written)", plan.schema),
            _ => plan.schema.to_string(),
        };
        let changes: Vec<_> = plan.changes.iter().map(SettingChange::to_string).collect();
        let result = match self.result {
            MigrateResult::Unchanged => "unchanged",
            MigrateResult::WouldChange => "would change",
            MigrateResult::Refused => "refused",
            MigrateResult::Changed => "changed",
        };
        let stream = plan.stream.clone();
        vec![stream, schema, plan.current.to_string(), changes.join(", "), result.into()]
    }
}

impl MigrateRow {
    fn planned(plan: StreamPlan) -> Self {
        let result = match (plan.check().is_err(), plan.is_due()) {
            (true, _) => MigrateResult::Refused,
            (_, true) => MigrateResult::WouldChange,
            _ => MigrateResult::Unchanged,
        };
        Self { plan, result }
    }
}

/// Shows what a migration changes, asks, and changes one stream after the other.
pub(crate) async fn run(args: &MigrateArgs, config: ClientConfig, out: Output) -> Result<ExitCode> {
    if !args.yes && !args.dry_run && !out.can_ask() {
        return Err(CliError::usage("there is no terminal to ask on")
            .next("add --yes; to see first what it would change, use --dry-run")
            .into());
    }
    let transport = NatsTransport::connect(config.nats).await?;
    let plans = transport.migration_plans().await?;
    let mut rows: Vec<_> = plans.into_iter().map(MigrateRow::planned).collect();
    let due = rows.iter().filter(|row| row.plan.is_due()).count() as u64;
    if args.dry_run {
        out.list(&rows)?;
        notes(&rows, out)?;
        return Ok(ExitCode::Ok);
    }
    for row in &rows {
        row.plan.check()?;
    }
    if due == 0 {
        out.list(&rows)?;
        out.note("nothing to change: all streams are current")?;
        return Ok(ExitCode::Ok);
    }
    if !args.yes {
        // In the other formats stdout has one answer: the one at the end.
        if out.format() == Format::Table {
            out.list(&rows)?;
        }
        notes(&rows, out)?;
        let question = format!("change {}?", count(due, "stream"));
        if out.confirm(&question)? != Some(true) {
            return Err(CliError::new(ExitCode::Failed, "not done: the answer was no").into());
        }
    }
    let changed = change_all(&transport, &mut rows).await;
    out.list(&rows)?;
    audit_changes(transport, &rows, out).await?;
    changed.map(|()| ExitCode::Ok)
}

/// Stops at the first error. The rows say what was changed.
async fn change_all(transport: &NatsTransport, rows: &mut [MigrateRow]) -> Result<()> {
    for row in rows.iter_mut().filter(|row| row.result == MigrateResult::WouldChange) {
        row.result = match transport.migrate_stream(&row.plan.role).await? {
            true => MigrateResult::Changed,
            false => MigrateResult::Unchanged,
        };
    }
    Ok(())
}

/// What each change costs or risks, and why a stream is refused.
fn notes(rows: &[MigrateRow], out: Output) -> Result<()> {
    for MigrateRow { plan, .. } in rows {
        if let Err(refusal) = plan.check() {
            out.note(format_args!("refused: {refusal}"))?;
        }
        // That a number is written is in the table.
        if let Some(risk) = plan.risk.filter(|_| plan.status == SchemaStatus::Behind) {
            out.note(format_args!("{}: {risk}", plan.stream))?;
        }
    }
    Ok(())
}

async fn audit_changes(transport: NatsTransport, rows: &[MigrateRow], out: Output) -> Result<()> {
    let changed: Vec<_> = rows
        .iter()
        .filter(|row| row.result == MigrateResult::Changed)
        .map(|row| row.plan.stream.as_str())
        .collect();
    if changed.is_empty() {
        return Ok(());
    }
    let client = Client::new(Arc::new(transport));
    let scope = format!("streams {}", changed.join(", "));
    let number = changed.len() as u64;
    audit::record(&client, out, |who| AuditEntry::new(who, "migrate", scope).count(number)).await
}
