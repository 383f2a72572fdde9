//! One worker: its slots, its queues and the jobs that it runs.

use askama::Template;
use naq_core::WorkerId;

use super::run_row::RunRow;
use super::workers::WorkerRow;
use super::{NavTab, PageContent, PageError};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip};

/// The most jobs that the page shows; those that started first come first.
const MAX_RUNS: usize = 200;

#[derive(Template)]
#[template(path = "worker.html")]
struct WorkerPage<'a> {
    request: &'a PageRequest<'a>,
    id: &'a str,
    /// `None` for a worker that is gone, and whose jobs are still listed.
    worker: Option<WorkerRow>,
    last_seen: Option<RelativeTime>,
    runs: Vec<RunRow>,
    hidden: usize,
}

pub(super) fn render(request: &PageRequest<'_>, id: &str) -> Result<PageContent, PageError> {
    let snapshot = &request.snapshot;
    let worker = snapshot.workers.iter().find(|worker| worker.worker_id.as_str() == id);
    let id = WorkerId::new(id).map_err(|err| PageError::not_found(err.to_string()))?;
    let runs: Vec<_> = snapshot.runs.of_worker(&id).collect();
    if worker.is_none() && runs.is_empty() {
        let id = clip(id.as_str(), 80);
        return Err(PageError::not_found(match snapshot.read_at {
            Some(_) => format!("no worker {id} is alive"),
            None => format!("the broker has not been read yet: worker {id} is unknown until then"),
        }));
    }
    let last_seen = runs.iter().map(|run| run.seen_at).max();
    let page = WorkerPage {
        request,
        id: id.as_str(),
        worker: worker.map(|worker| WorkerRow::new(worker, request)),
        last_seen: last_seen.map(|at| RelativeTime::new(at, request.now())),
        hidden: runs.len().saturating_sub(MAX_RUNS),
        runs: runs.into_iter().take(MAX_RUNS).map(|run| RunRow::new(run, request)).collect(),
    };
    let title = format!("Worker {}", clip(id.as_str(), 80));
    Ok(PageContent { title, tab: NavTab::Workers, body: page.render()? })
}
