//! `naq batch`: the progress of bulk actions; cancel, undo, resume.

use std::convert::Infallible;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{Batch, BatchError, BatchId, BatchOrder, BatchState, Client};
use naq_core::{Clock, SystemClock, Timer, Timestamp};
use serde::Serialize;

use crate::exit::{CliError, ExitCode};
use crate::operator_name::operator_name;
use crate::output::{Details, Output, TableRow};
use crate::progress_line::ProgressLine;
use crate::text::{about, count};

/// How often the state of a batch is read.
const CHECK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// List the batches of the last 7 days, newest first
    #[command(visible_alias = "ls")]
    List,
    /// Show one batch: action, scope, operator, progress
    Show(BatchIdArgs),
    /// Stop a batch; the jobs that it has changed stay changed
    Cancel(BatchIdArgs),
    /// Undo a requeue: the jobs that are not due yet become dead letters again, as they were
    #[command(after_help = "Examples:\n  naq dlq requeue --all --drip 50/s\n  naq batch undo ID")]
    Undo(BatchIdArgs),
    /// Resume a batch whose process was stopped or died
    Resume(BatchIdArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BatchIdArgs {
    /// The id of the batch
    id: BatchId,
}

/// One line of `naq batch list`: a batch, and the time at which it was read.
#[derive(Serialize)]
struct BatchRow {
    #[serde(flatten)]
    batch: Batch,
    /// As `state`, but `stopped` for a running batch that no process works on.
    #[serde(rename = "stands")]
    effective_state: BatchState,
    #[serde(skip)]
    now: Timestamp,
}

impl BatchRow {
    fn new(batch: Batch) -> Self {
        let now = SystemClock.now();
        Self { effective_state: batch.state_at(now), batch, now }
    }

    fn progress(&self) -> String {
        let Batch { done, total, exact, .. } = &self.batch;
        format!("{done} of {}{total}", if *exact { "" } else { "more than " })
    }

    /// The command that undoes the batch, and for how long it still finds jobs to undo.
    fn undo(&self) -> Option<String> {
        let due_at = self.batch.last_due_at.filter(|_| self.batch.can_be_undone(self.now))?;
        let span = about(due_at.since(self.now));
        Some(format!("naq batch undo {} (for {span})", self.batch.id))
    }

    fn words(&self) -> String {
        let Batch { id, action, words, who, reason, .. } = &self.batch;
        let Batch { done: _, skipped, failed, first_failure, undone, .. } = &self.batch;
        let above_zero = |n: u64| (n > 0).then_some(n);
        Details::default()
            .with("batch", id)
            .with("state", self.effective_state)
            .with("action", action.verb())
            .with("on", words)
            .with("by", who)
            .maybe("reason", (!reason.is_empty()).then_some(reason))
            .with("done", self.progress())
            .maybe("skipped", above_zero(*skipped))
            .maybe("failed", above_zero(*failed))
            .maybe("failure", first_failure.as_ref())
            .maybe("undone", above_zero(*undone))
            .with("started", format_args!("{} ago", about(self.now.since(self.batch.started_at))))
            .maybe(
                "last due",
                self.batch.last_due_at.map(|at| match at > self.now {
                    true => format!("in {}", about(at.since(self.now))),
                    false => format!("{} ago", about(self.now.since(at))),
                }),
            )
            .maybe("undo", self.undo())
            .render()
    }
}

impl TableRow for BatchRow {
    const COLUMNS: &'static [&'static str] =
        &["BATCH", "STATE", "ACTION", "DONE", "AGE", "WHO", "~ON"];
    const LEFT_OUT: &'static [&'static str] = &["WHO", "AGE", "ACTION"];
    const NONE: &'static str = "no batches; naq dlq requeue --all starts one";

    fn cells(&self) -> Vec<String> {
        let batch = &self.batch;
        vec![
            batch.id.to_string(),
            self.effective_state.to_string(),
            batch.action.verb().to_owned(),
            self.progress(),
            about(self.now.since(batch.started_at)),
            batch.who.clone(),
            batch.words.clone(),
        ]
    }
}

impl BatchCommand {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        match self {
            Self::List => {
                let batches = client.batches().await?;
                out.list(&batches.into_iter().map(BatchRow::new).collect::<Vec<_>>())?;
                Ok(ExitCode::Ok)
            }
            Self::Show(which) => show(client.batch(&which.id).await?, out),
            Self::Cancel(which) => {
                show(client.cancel_batch(&which.id, &operator_name()).await?, out)
            }
            Self::Undo(which) => undo(&which.id, client, out).await,
            Self::Resume(which) => show(run_with_progress(&which.id, client).await?, out),
        }
    }
}

pub(crate) fn show(batch: Batch, out: Output) -> Result<ExitCode> {
    let line = BatchRow::new(batch);
    out.one(&line, || line.words())?;
    Ok(if line.batch.failed > 0 { ExitCode::Failed } else { ExitCode::Ok })
}

/// Undoes a batch. One that a process still runs is cancelled first.
async fn undo(id: &BatchId, client: &Client, out: Output) -> Result<ExitCode> {
    let who = operator_name();
    loop {
        match client.undo_batch(id, &who, || false).await {
            Ok(batch) => {
                let line = BatchRow::new(batch);
                let undone = line.batch.undone;
                out.one(&line, || match line.batch.done.saturating_sub(undone) {
                    0 => format!("batch {id} undone: {}", count(undone, "letter")),
                    late => format!(
                        "batch {id} undone: {}; {late} were due already or changed by another process",
                        count(undone, "letter")
                    ),
                })?;
                return Ok(ExitCode::Ok);
            }
            Err(BatchError::Busy(_)) => {
                // An error means that the batch has just ended by itself.
                let _ = client.cancel_batch(id, &who).await;
                SystemClock.sleep_until(SystemClock.now() + CHECK_EVERY).await;
            }
            Err(err) => return Err(err.into()),
        }
    }
}

/// Starts a batch, and runs it to its end.
pub(crate) async fn start_and_run(
    order: BatchOrder,
    client: &Client,
    out: Output,
) -> Result<Batch> {
    let started = client.start_batch(order).await?;
    let ran = run_with_progress(&started.id, client).await;
    if ran.is_err() {
        out.note(format_args!(
            "the batch is not finished; to go on: naq batch resume {}",
            started.id
        ))?;
    }
    ran
}

/// Runs a batch to its end, with a progress line on a terminal. After Ctrl-C, another process can
/// resume it.
pub(crate) async fn run_with_progress(id: &BatchId, client: &Client) -> Result<Batch> {
    let before = client.batch(id).await?;
    let progress = ProgressLine::new("done");
    let ran = tokio::select! {
        ran = client.run_batch(id, || false) => ran,
        never = show_progress(&before, client, &progress) => match never {},
    };
    progress.finish();
    let ran = ran?;
    if ran.state != BatchState::Cancelled {
        return Ok(ran);
    }
    let what = format!("batch {id} was cancelled after {}", count(ran.done, "job"));
    let next = format!("the others stay as they were; to see the counts: naq batch show {id}");
    Err(CliError::new(ExitCode::Failed, what).next(next).into())
}

/// Moves the progress line as the batch goes on. Never returns.
async fn show_progress(before: &Batch, client: &Client, progress: &ProgressLine) -> Infallible {
    let processed = |batch: &Batch| batch.done + batch.skipped + batch.failed;
    let mut shown = processed(before);
    loop {
        SystemClock.sleep_until(SystemClock.now() + CHECK_EVERY).await;
        // After an error, the next check reads the number.
        let Ok(batch) = client.batch(&before.id).await else { continue };
        (shown..processed(&batch)).for_each(|_| progress.step());
        shown = shown.max(processed(&batch));
    }
}
