//! `naq audit`: lists who changed what, and why.

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditCheck, AuditEntry, AuditQuery, Client, MAX_AUDIT_PAGE};
use naq_core::Timestamp;
use serde::Serialize;

use crate::exit::{CliError, ExitCode};
use crate::operator_name::operator_name;
use crate::output::{Output, TableRow};
use crate::text::{about, count};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq audit
  naq audit --limit 500 -o jsonl
  naq audit verify

The command and the dashboard record what they change, for 30 days. A program that uses the API
must record its own changes.")]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    command: Option<AuditCommand>,
    /// Show at most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// List the entries before this one, which the previous page names
    #[arg(long, value_name = "ENTRY")]
    before: Option<String>,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Check that no entry was changed or removed: each one names the hash of the one before it
    #[command(after_help = "\
Exit code 1 if the log was changed. The newest entry has no successor yet that names its hash: note the
HEAD that this prints, and look for it as `prev` of the next entry.")]
    Verify,
}

/// The line of `naq audit verify`.
#[derive(Serialize)]
#[serde(transparent)]
struct CheckRow(AuditCheck);

impl TableRow for CheckRow {
    const COLUMNS: &'static [&'static str] = &[">ENTRIES", ">FIRST", ">LAST", "HEAD", "~FOUND"];
    const NONE: &'static str = "nothing was checked";

    fn cells(&self) -> Vec<String> {
        let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
        let found = match self.0.faults.len() {
            0 => "unchanged".to_owned(),
            _ => self.0.faults.join("; "),
        };
        let head = self.0.head.clone().unwrap_or("-".to_owned());
        let entries = self.0.entries.to_string();
        vec![entries, number(self.0.first), number(self.0.last), head, found]
    }
}

async fn verify(client: &Client, out: Output) -> Result<()> {
    let check = client.verify_audit_log().await?;
    let faults = check.faults.len() as u64;
    out.list(&[CheckRow(check)])?;
    if faults > 0 {
        let what = format!("the audit log was changed: {}", count(faults, "fault"));
        return Err(CliError::new(ExitCode::Failed, what).into());
    }
    Ok(())
}

/// One line of `naq audit`: an entry, and the time against which its age is computed.
#[derive(Serialize)]
struct AuditRow {
    #[serde(flatten)]
    entry: AuditEntry,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for AuditRow {
    const COLUMNS: &'static [&'static str] = &["AGE", "WHO", "DID", ">COUNT", "~ON", "~WHY"];
    const LEFT_OUT: &'static [&'static str] = &["COUNT", "WHY", "WHO"];
    const NONE: &'static str = "no entries: nothing was changed in the last 30 days";

    fn cells(&self) -> Vec<String> {
        let entry = &self.entry;
        let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
        vec![
            about(self.now.since(entry.at)),
            entry.who.clone(),
            entry.what.clone(),
            entry.count.map_or("-".into(), |n| n.to_string()),
            entry.scope.clone(),
            or_dash(entry.reason.clone()),
        ]
    }
}

impl AuditArgs {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        if let Some(AuditCommand::Verify) = self.command {
            return verify(client, out).await;
        }
        let now = client.broker_now().await?;
        let most = if self.limit == 0 { usize::MAX } else { self.limit };
        let (mut lines, mut before) = (Vec::new(), self.before.clone());
        while lines.len() < most {
            let limit = (most - lines.len()).min(MAX_AUDIT_PAGE);
            let page = client.audit_log(&AuditQuery { before, limit }).await?;
            lines.extend(page.entries.into_iter().map(|entry| AuditRow { entry, now }));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        out.list(&lines)?;
        match before {
            Some(before) => out.note(format_args!("there are more: --before {before}")),
            None => Ok(()),
        }
    }
}

/// Writes an audit entry for a finished action. If that fails, it prints a warning and returns `Ok`.
pub(crate) async fn record(
    client: &Client,
    out: Output,
    entry: impl FnOnce(&str) -> AuditEntry,
) -> Result<()> {
    match client.audit(entry(&operator_name())).await {
        Ok(_) => Ok(()),
        Err(err) => {
            out.note(format_args!("warning: done, but the audit entry could not be written: {err}"))
        }
    }
}
