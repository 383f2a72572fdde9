//! Partial success: a batch imports the rows that it can, reports the number, and enqueues each failed
//! row as a job of its own, with its own retries.

use std::time::Duration;

use naq::{Context, Failure, Job, JobOptions, ResultExt, RetryPolicy};
use serde::{Deserialize, Serialize};

use crate::bank::Bank;

/// Imports rows.
#[derive(Debug, Serialize, Deserialize)]
pub struct Import {
    /// The rows.
    pub rows: Vec<String>,
}

/// The result of a batch.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The number of imported rows.
    pub done: usize,
    /// The ids of the jobs for the other rows.
    pub jobs: Vec<String>,
}

impl Job for Import {
    const NAME: &'static str = "import.batch";
    type Output = Imported;
}

/// One row that failed in its batch.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportRow {
    /// The row.
    pub row: String,
}

impl Job for ImportRow {
    const NAME: &'static str = "import.row";
    type Output = ();

    fn options() -> JobOptions {
        let policy = RetryPolicy::builder().max_retries(2).delay(Duration::from_millis(50));
        JobOptions::new().policy(policy.build())
    }
}

fn read(row: &str) -> Result<u32, std::num::ParseIntError> {
    row.trim().parse()
}

/// Continues after a row that fails. The ids of the new jobs come from the batch's own key. So if the
/// attempt runs again after a crash, it enqueues no job twice.
///
/// # Errors
/// A failed row cannot be enqueued. Then the batch is retried.
pub async fn import(job: Import, cx: Context<Bank>) -> Result<Imported, Failure> {
    let mut jobs = Vec::new();
    for (n, row) in job.rows.iter().enumerate().filter(|(_, row)| read(row).is_err()) {
        let id = format!("{}-row{n}", cx.dedup_key());
        cx.client().enqueue(ImportRow { row: row.clone() }).id(&id).await?;
        jobs.push(id);
    }
    Ok(Imported { done: job.rows.len() - jobs.len(), jobs })
}

/// As a job of its own, a failed row has an error kind, a history and a dead letter.
///
/// # Errors
/// `ValueError.row` for a row that is not a number.
pub async fn import_row(job: ImportRow, cx: Context<Bank>) -> Result<(), Failure> {
    // The second attempt succeeds for every row that is not blank.
    if cx.attempt() > 1 && !job.row.trim().is_empty() {
        return Ok(());
    }
    read(&job.row).kind("ValueError.row")?;
    Ok(())
}
