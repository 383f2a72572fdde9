//! `naq find`: finds jobs by a part of their id, a tag, their task or their last error.

use anyhow::Result;
use clap::Args;
use naq_client::{Client, FoundJob};
use naq_core::Timestamp;
use serde::Serialize;

use crate::exit::ExitCode;
use crate::output::{Format, Output, TableRow};
use crate::text::about;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq find 0198c0ff
  naq find order-4711
  naq find 'connection refused' --limit 10
  naq find email.send --scan 100000

A whole id is found wherever the job is. For every other text the command reads the newest jobs of
each state, and says how many. It does not search arguments and results.")]
pub(crate) struct FindArgs {
    /// The text: an id or a part of it, QUEUE/ID, a tag, a task, or words of an error
    #[arg(value_name = "TEXT")]
    text: String,
    /// Print at most this many jobs; 0 for all
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Read this many of the newest jobs of each kind: in queues, waiting, dead, and ended
    #[arg(long, value_name = "N", default_value_t = 1_000)]
    scan: usize,
}

/// One line: a job, and the part of it that has the text.
#[derive(Serialize)]
struct FoundRow {
    #[serde(flatten)]
    found: FoundJob,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for FoundRow {
    const COLUMNS: &'static [&'static str] =
        &["JOB", "STATE", "TASK", "AGE", "FOUND BY", "~TAGS", "~LAST ERROR"];
    const LEFT_OUT: &'static [&'static str] = &["TAGS", "AGE", "TASK", "FOUND BY"];
    const NONE: &'static str = "no job has this text";

    fn cells(&self) -> Vec<String> {
        let FoundJob { job, matched_by, .. } = &self.found;
        let error = job.error_kind.as_ref().map(|kind| {
            let message = job.message.as_deref().unwrap_or_default();
            format!("{kind}: {}", message.chars().take(80).collect::<String>())
        });
        vec![
            job.key.to_string(),
            job.state.to_string(),
            job.task.as_ref().map_or("-".into(), ToString::to_string),
            about(self.now.since(job.stored_at)),
            matched_by.as_str().to_owned(),
            job.tags.join(" "),
            error.unwrap_or_else(|| "-".into()),
        ]
    }
}

impl FindArgs {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        let mut found = client.find_jobs(&self.text, self.scan.max(1)).await?;
        let all = found.jobs.len();
        if self.limit > 0 {
            found.jobs.truncate(self.limit);
        }
        let code = if all == 0 { ExitCode::NotFound } else { ExitCode::Ok };
        if out.format() == Format::Json {
            out.one(&found, String::new)?;
            return Ok(code);
        }
        let searched = found.searched_text();
        let now = client.now();
        let rows: Vec<_> = found.jobs.into_iter().map(|found| FoundRow { found, now }).collect();
        out.list(&rows)?;
        if all > rows.len() {
            out.note(format_args!("{} more; to see them: --limit 0", all - rows.len()))?;
        }
        out.note(searched)?;
        Ok(code)
    }
}
