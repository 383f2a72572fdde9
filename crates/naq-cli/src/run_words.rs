//! Which worker runs a job, in words.

use naq_client::{Progress, Run};
use naq_core::Timestamp;

use crate::text::about;

/// The worker, and for how long it has run the attempt: `host-4711-9f3a for 12s`.
pub(crate) fn on_worker(run: Option<&Run>, now: Timestamp) -> String {
    let Some(run) = run else {
        return "taken by a worker, where it waits for a slot; or it started less than 1s ago"
            .into();
    };
    let Run { worker, seen_at, started_at, .. } = run;
    match started_at {
        _ if run.worker_is_gone => format!(
            "{worker}, which is gone: last seen {} ago; another worker takes the job when its lease ends",
            about(now.since(*seen_at))
        ),
        Some(started) => format!("{worker} for {}", about(now.since(*started))),
        None => format!("{worker}, which checks its limits; the handler has not started"),
    }
}

/// The state of a delivered job, in a word.
pub(crate) fn state(run: Option<&Run>) -> &'static str {
    match run {
        None => "taken",
        Some(run) if run.worker_is_gone => "lost",
        Some(_) => "running",
    }
}

/// Percent and the handler's message, for a cell of a table.
pub(crate) fn progress_cell(progress: Option<&Progress>) -> String {
    let Some(progress) = progress else { return "-".into() };
    let share = match progress.percent() {
        Some(percent) => format!("{percent} %"),
        None => format!("{} done", progress.done),
    };
    format!("{share} {}", progress.message).trim_end().to_owned()
}
