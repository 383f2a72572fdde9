//! Partial success: a batch does what it can, says what it did, and leaves each failure as a job of
//! its own, with retries of its own.

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

/// What became of a batch.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Rows that are in.
    pub done: usize,
    /// Jobs that go on with the others.
    pub left: Vec<String>,
}

impl Job for Import {
    const NAME: &'static str = "import.batch";
    type Output = Imported;
}

/// One row, the second time.
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

/// Goes on after a row that fails. The ids of the jobs that follow come from its own: an attempt
/// that is made again, after a crash, enqueues none of them twice.
///
/// # Errors
/// Only when a row that failed cannot even be enqueued: then the batch is tried again.
pub async fn import(job: Import, cx: Context<Bank>) -> Result<Imported, Failure> {
    let mut left = Vec::new();
    for (n, row) in job.rows.iter().enumerate().filter(|(_, row)| read(row).is_err()) {
        let id = format!("{}-row{n}", cx.dedup_key());
        cx.client().enqueue(ImportRow { row: row.clone() }).id(&id).await?;
        left.push(id);
    }
    Ok(Imported { done: job.rows.len() - left.len(), left })
}

/// Here a failure has a name, a history and a place in the dead letter queue.
///
/// # Errors
/// `ValueError.row` for a row that is none.
pub async fn import_row(job: ImportRow, cx: Context<Bank>) -> Result<(), Failure> {
    // The rows that have something in them are mended by the second attempt.
    if cx.attempt() > 1 && !job.row.trim().is_empty() {
        return Ok(());
    }
    read(&job.row).kind("ValueError.row")?;
    Ok(())
}
