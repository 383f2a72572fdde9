//! [`RunRow`]: a job that a worker runs, as a row of a table.

use naq_client::Run;

use super::job;
use crate::links::worker_path;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, redacted, span};

pub(super) struct RunRow {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) link: String,
    pub(super) task: String,
    pub(super) worker: String,
    pub(super) worker_link: String,
    pub(super) attempt: u32,
    /// For how long the handler has run. `None` before it is called.
    pub(super) took: Option<String>,
    pub(super) started: Option<RelativeTime>,
    pub(super) is_lost: bool,
    /// Whole percents that are done, if the handler says how many steps there are.
    pub(super) percent: Option<u64>,
    pub(super) progress: String,
}

impl RunRow {
    pub(super) fn new(run: &Run, request: &PageRequest<'_>) -> Self {
        let now = request.now();
        let progress = run.progress.as_ref();
        let done =
            progress.filter(|it| it.percent().is_none()).map(|it| format!("{} done ", it.done));
        let message = progress.map(|it| redacted(&it.message, 120)).unwrap_or_default();
        Self {
            key: run.job.to_string(),
            id: run.job.id.to_string(),
            link: job::link(request, &run.job),
            task: run.task.as_ref().map_or_else(|| "–".into(), ToString::to_string),
            worker: clip(run.worker.as_str(), 80),
            worker_link: request.link(&worker_path(&run.worker)),
            attempt: run.attempt,
            took: run.started_at.map(|at| span(now.since(at))),
            started: run.started_at.map(|at| RelativeTime::new(at, now)),
            is_lost: run.worker_is_gone,
            percent: progress.and_then(naq_client::Progress::percent),
            progress: done.unwrap_or_default() + &message,
        }
    }
}
