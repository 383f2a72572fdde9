//! `naq batch`: bulk actions, how far they have come, and what can still be done about them.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{Batch, BatchError, BatchId, BatchState, Client};
use naq_core::{Clock, SystemClock, Timer, Timestamp};
use serde::Serialize;

use crate::exit::Exit;
use crate::output::{Details, Output, Row};
use crate::progress::Progress;
use crate::text::{about, count};
use crate::who::who;

/// How often is looked how far a batch has come.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum BatchCommand {
    /// The batches of the last 7 days, newest first
    #[command(visible_alias = "ls")]
    List,
    /// One batch: what, on what, by whom, how far
    Show(Which),
    /// Stop what has not been done; what has been done stays done
    Cancel(Which),
    /// Take back what of a requeue is not yet due: the letters stand again as they were
    #[command(after_help = "Examples:\n  naq dlq requeue --all --drip 50/s\n  naq batch undo ID")]
    Undo(Which),
    /// Go on with a batch whose process was stopped or died
    Resume(Which),
}

#[derive(Debug, Args)]
pub(crate) struct Which {
    /// The batch
    id: BatchId,
}

/// A batch, and the time that it is looked at.
#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    batch: Batch,
    /// As `state`, but for one that nobody works on: that has stopped.
    stands: BatchState,
    #[serde(skip)]
    now: Timestamp,
}

impl Line {
    fn new(batch: Batch) -> Self {
        let now = SystemClock.now();
        Self { stands: batch.state_at(now), batch, now }
    }

    fn of(&self) -> String {
        let Batch { done, total, exact, .. } = &self.batch;
        format!("{done} of {}{total}", if *exact { "" } else { "more than " })
    }

    /// Whether, and for how long, an undo finds something.
    fn undo(&self) -> Option<String> {
        let due_at = self.batch.last_due_at.filter(|_| self.batch.can_be_undone(self.now))?;
        let span = about(due_at.since(self.now));
        Some(format!("naq batch undo {} (for {span})", self.batch.id))
    }

    fn words(&self) -> String {
        let Batch { id, action, words, who, reason, .. } = &self.batch;
        let Batch { done: _, skipped, failed, first_failure, undone, .. } = &self.batch;
        let some = |n: u64| (n > 0).then_some(n);
        Details::default()
            .with("batch", id)
            .with("state", self.stands)
            .with("action", action.verb())
            .with("on", words)
            .with("by", who)
            .maybe("reason", (!reason.is_empty()).then_some(reason))
            .with("done", self.of())
            .maybe("skipped", some(*skipped))
            .maybe("failed", some(*failed))
            .maybe("failure", first_failure.as_ref())
            .maybe("undone", some(*undone))
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

impl Row for Line {
    const COLUMNS: &'static [&'static str] =
        &["BATCH", "STATE", "ACTION", "DONE", "AGE", "WHO", "~ON"];
    const NONE: &'static str = "no batches; naq dlq requeue --drip makes one";

    fn cells(&self) -> Vec<String> {
        let batch = &self.batch;
        vec![
            batch.id.to_string(),
            self.stands.to_string(),
            batch.action.verb().to_owned(),
            self.of(),
            about(self.now.since(batch.started_at)),
            batch.who.clone(),
            batch.words.clone(),
        ]
    }
}

impl BatchCommand {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<Exit> {
        match self {
            Self::List => {
                let batches = client.batches().await?;
                out.list(&batches.into_iter().map(Line::new).collect::<Vec<_>>())?;
                Ok(Exit::Ok)
            }
            Self::Show(which) => show(client.batch(&which.id).await?, out),
            Self::Cancel(which) => show(client.cancel_batch(&which.id, &who()).await?, out),
            Self::Undo(which) => undo(&which.id, client, out).await,
            Self::Resume(which) => run(&which.id, client, out).await,
        }
    }
}

fn show(batch: Batch, out: Output) -> Result<Exit> {
    let line = Line::new(batch);
    out.one(&line, || line.words())?;
    Ok(if line.batch.failed > 0 { Exit::Failed } else { Exit::Ok })
}

/// Takes it back; one that is being run is stopped first.
async fn undo(id: &BatchId, client: &Client, out: Output) -> Result<Exit> {
    let who = who();
    loop {
        match client.undo_batch(id, &who, || false).await {
            Ok(batch) => {
                let line = Line::new(batch);
                let undone = line.batch.undone;
                out.one(&line, || match line.batch.done.saturating_sub(undone) {
                    0 => format!("batch {id} undone: {}", count(undone, "letter")),
                    late => format!(
                        "batch {id} undone: {}; {late} had begun or were dealt with",
                        count(undone, "letter")
                    ),
                })?;
                return Ok(Exit::Ok);
            }
            Err(BatchError::Busy(_)) => {
                // An error means that it has just ended by itself.
                let _ = client.cancel_batch(id, &who).await;
                SystemClock.sleep_until(SystemClock.now() + LOOK_EVERY).await;
            }
            Err(err) => return Err(err.into()),
        }
    }
}

/// Runs a batch to its end, with a line that moves; Ctrl-C leaves it to be gone on with.
pub(crate) async fn run(id: &BatchId, client: &Client, out: Output) -> Result<Exit> {
    let before = client.batch(id).await?;
    let progress = Progress::new("done");
    let watch = async {
        let mut told = before.done + before.skipped + before.failed;
        loop {
            SystemClock.sleep_until(SystemClock.now() + LOOK_EVERY).await;
            // What cannot be read now is read in a moment.
            let Ok(batch) = client.batch(id).await else { continue };
            let dealt = batch.done + batch.skipped + batch.failed;
            (told..dealt).for_each(|_| progress.step());
            told = told.max(dealt);
        }
    };
    let ran = tokio::select! {
        ran = client.run_batch(id, || false) => ran,
        () = watch => return Ok(Exit::Failed),
    };
    progress.finish();
    show(ran?, out)
}
