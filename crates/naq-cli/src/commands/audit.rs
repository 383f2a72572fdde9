//! `naq audit`: lists who changed what, and why.

use anyhow::Result;
use clap::Args;
use naq_client::{AuditEntry, AuditQuery, Client, MAX_AUDIT_PAGE};
use naq_core::Timestamp;
use serde::Serialize;

use crate::operator_name::operator_name;
use crate::output::{Output, TableRow};
use crate::text::about;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq audit
  naq audit --limit 500 -o jsonl

The command and the dashboard record what they change, for 30 days. A program that uses the API
must record its own changes.")]
pub(crate) struct AuditArgs {
    /// Show at most this many; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// List the entries before this one, which the previous page names
    #[arg(long, value_name = "ENTRY")]
    before: Option<String>,
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
