//! `naq audit`: who changed what, and why.

use anyhow::Result;
use clap::Args;
use naq_client::{AuditEntry, AuditQuery, Client, MAX_AUDIT_PAGE};
use naq_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;

use crate::operator_name::operator_name;
use crate::output::{Output, TableRow};
use crate::text::about;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq audit
  naq audit --limit 500 -o jsonl

What the command and the dashboard change is recorded for 30 days; what programs do by the API is
recorded where they do so themselves.")]
pub(crate) struct AuditArgs {
    /// Show at most this many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Begin after this entry, as a page before says
    #[arg(long, value_name = "ENTRY")]
    before: Option<String>,
}

/// An entry, and the time that it is compared with.
#[derive(Serialize)]
struct AuditRow {
    #[serde(flatten)]
    entry: AuditEntry,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for AuditRow {
    const COLUMNS: &'static [&'static str] = &["AGE", "WHO", "DID", ">COUNT", "~ON", "~WHY"];
    const NONE: &'static str = "nothing was changed in the last 30 days";

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
        let now = SystemClock.now();
        let (mut lines, mut before) = (Vec::new(), self.before.clone());
        while lines.len() < self.limit {
            let limit = (self.limit - lines.len()).min(MAX_AUDIT_PAGE);
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

/// Records what was done. What cannot be recorded is said, and nothing is undone for it.
pub(crate) async fn record(
    client: &Client,
    out: Output,
    entry: impl FnOnce(&str) -> AuditEntry,
) -> Result<()> {
    match client.audit(entry(&operator_name())).await {
        Ok(_) => Ok(()),
        Err(err) => out.note(format_args!("warning: it is done, but not in the audit log: {err}")),
    }
}
