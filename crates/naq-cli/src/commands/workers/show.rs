//! `naq workers show`: one worker, and the jobs that it runs.

use anyhow::Result;
use naq_client::{Client, Run, Runs};
use naq_core::transport::WorkerInfo;
use naq_core::{Timestamp, WorkerId};
use serde::Serialize;

use crate::exit::CliError;
use crate::output::{BOLD, DIM, Details, Output, TableRow, paint, render_table};
use crate::run_words;
use crate::text::{about, count};

/// The most jobs whose progress is read, and that are printed for people.
const MAX_SHOWN: usize = 100;

/// A worker, and the jobs that it runs.
#[derive(Serialize)]
struct ShownWorker {
    /// `null` for a worker that is gone, and whose jobs are still listed.
    worker: Option<WorkerInfo>,
    runs: Vec<RunRow>,
    #[serde(skip)]
    now: Timestamp,
}

/// One line: a job that the worker runs.
#[derive(Serialize)]
struct RunRow {
    #[serde(flatten)]
    run: Run,
    #[serde(skip)]
    now: Timestamp,
}

impl TableRow for RunRow {
    const COLUMNS: &'static [&'static str] = &["JOB", "TASK", ">ATTEMPT", ">FOR", "~PROGRESS"];
    const LEFT_OUT: &'static [&'static str] = &["ATTEMPT", "TASK"];
    const NONE: &'static str = "no jobs";

    fn cells(&self) -> Vec<String> {
        let Self { run, now } = self;
        vec![
            run.job.to_string(),
            run.task.as_ref().map_or("-".into(), ToString::to_string),
            run.attempt.to_string(),
            run.started_at.map_or("not started".into(), |at| about(now.since(at))),
            run_words::progress_cell(run.progress.as_ref()),
        ]
    }
}

pub(super) async fn show(id: &WorkerId, client: &Client, out: Output) -> Result<()> {
    let workers = client.list_workers().await?;
    let worker = workers.into_iter().find(|worker| worker.worker_id == *id);
    let mut runs = client.runs().await?;
    client.add_progress(&mut runs, MAX_SHOWN, |run| run.worker == *id).await?;
    let shown = ShownWorker { runs: rows(&runs, id, client.now()), worker, now: client.now() };
    if shown.worker.is_none() && shown.runs.is_empty() {
        let what = format!("no worker {id} is alive");
        return Err(CliError::not_found(what).next("list the workers: naq workers").into());
    }
    out.one(&shown, || shown.words(id))
}

fn rows(runs: &Runs, id: &WorkerId, now: Timestamp) -> Vec<RunRow> {
    runs.of_worker(id).map(|run| RunRow { run: run.clone(), now }).collect()
}

impl ShownWorker {
    fn words(&self, id: &WorkerId) -> String {
        let ago = |at: Timestamp| format!("{at} ({} ago)", about(self.now.since(at)));
        let details = Details::default().with("worker", id);
        let details = match &self.worker {
            Some(w) => details
                .with("status", w.status)
                .with("queues", w.queues.iter().map(|q| q.as_str()).collect::<Vec<_>>().join(" "))
                .with("slots", format_args!("{} of {} in use", w.running, w.concurrency))
                .with("finished", format_args!("{}, {} of them failed", w.finished, w.failed))
                .with("machine", format_args!("{}, process {}", w.hostname, w.pid))
                .with("version", &w.version)
                .with("started", ago(w.started_at))
                .with("heartbeat", ago(w.heartbeat_at)),
            None => details.with(
                "status",
                "gone: it did not stop by itself, and other workers take its jobs when their leases end",
            ),
        };
        format!("{}\n\n{}", details.render(), self.jobs())
    }

    fn jobs(&self) -> String {
        let head = paint(BOLD, format_args!("runs {}", count(self.runs.len() as u64, "job")));
        if self.runs.is_empty() {
            return format!("{head}\n{}", paint(DIM, "a job of less than a second may be missing"));
        }
        let shown = &self.runs[..self.runs.len().min(MAX_SHOWN)];
        let more = match self.runs.len() - shown.len() {
            0 => String::new(),
            more => format!("\n{}", paint(DIM, format_args!("{more} more; see -o json"))),
        };
        format!("{head}\n{}{more}", render_table(shown))
    }
}
