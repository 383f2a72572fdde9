//! Workers: their queues, their slots and their heartbeats.

use std::time::Duration;

use askama::Template;
use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

use super::queue_depth::Number;
use super::{NavTab, PageContent, PageError, job};
use crate::chart::{StackedPart, stacked};
use crate::links::worker_path;
use crate::page_request::PageRequest;
use crate::user::Role;
use crate::view::{RelativeTime, clip, count, span};

/// The most workers that the page shows; the search finds the others.
const MAX_SHOWN: usize = 300;
/// The most queues of a worker that the page names.
const MAX_QUEUES: usize = 12;
/// A smaller difference between two clocks is not a problem.
const TOLERANCE: Duration = Duration::from_secs(2);
/// A worker without a heartbeat for longer than this has missed two.
const SILENT_AFTER: Duration = Duration::from_secs(12);

#[derive(Template)]
#[template(path = "workers.html")]
struct WorkersPage<'a> {
    request: &'a PageRequest<'a>,
    search: String,
    rows: Vec<WorkerRow>,
    all: usize,
    found: Number,
    hidden: usize,
    running: Number,
    slots: Number,
    /// How many statistics reports were ignored because of their time.
    ignored: Number,
}

pub(super) struct WorkerRow {
    pub(super) id: String,
    pub(super) link: String,
    /// For how long it has run the job that it has run longest.
    pub(super) longest: Option<(String, String)>,
    pub(super) status: WorkerStatus,
    pub(super) class: &'static str,
    pub(super) heartbeat: RelativeTime,
    /// A problem with the worker's heartbeat or its clock.
    pub(super) warning: Option<String>,
    pub(super) host: String,
    pub(super) pid: u32,
    pub(super) version: String,
    pub(super) queues: Vec<(String, String)>,
    pub(super) more_queues: usize,
    pub(super) running: Number,
    pub(super) slots: Number,
    pub(super) bar: String,
    pub(super) finished: Number,
    pub(super) failed: Number,
    pub(super) started: RelativeTime,
    pub(super) stopping: bool,
    pub(super) may_act: bool,
}

impl WorkerRow {
    pub(super) fn new(worker: &WorkerInfo, request: &PageRequest<'_>) -> Self {
        let now = request.now();
        let slots = u64::from(worker.concurrency);
        let used = u64::from(worker.running);
        let shown = used.min(slots);
        let part =
            |class, n, words: &str| StackedPart { class, count: n, words: format!("{n} {words}") };
        let parts = [part("state-running", shown, "in use"), part("free", slots - shown, "free")];
        let queue = |name: &naq_core::QueueName| {
            (name.to_string(), request.link(&format!("/queues/{name}")))
        };
        let longest = request.snapshot.runs.of_worker(&worker.worker_id).next();
        let longest = longest
            .and_then(|run| Some((span(now.since(run.started_at?)), job::link(request, &run.job))));
        Self {
            id: worker.worker_id.to_string(),
            link: request.link(&worker_path(&worker.worker_id)),
            longest,
            status: worker.status,
            class: match worker.status {
                WorkerStatus::Busy => "good",
                WorkerStatus::Stopping => "warn",
                _ => "muted",
            },
            heartbeat: RelativeTime::new(worker.heartbeat_at, now),
            warning: warning(worker.heartbeat_at, worker.started_at, now),
            host: clip(&worker.hostname, 80),
            pid: worker.pid,
            version: clip(&worker.version, 40),
            queues: worker.queues.iter().take(MAX_QUEUES).map(queue).collect(),
            more_queues: worker.queues.len().saturating_sub(MAX_QUEUES),
            bar: stacked(&parts, &format!("{} of {} slots in use", count(used), count(slots))),
            running: used.into(),
            slots: slots.into(),
            finished: worker.finished.into(),
            failed: worker.failed.into(),
            started: RelativeTime::new(worker.started_at, now),
            stopping: worker.status == WorkerStatus::Stopping,
            may_act: request.access.may(Role::Operate, &worker.queues.iter().collect()),
        }
    }
}

/// A problem with the worker's times. The broker's clock gives the time of the heartbeat; the worker's
/// own clock gives its start time.
fn warning(heartbeat: Timestamp, started: Timestamp, now: Timestamp) -> Option<String> {
    let ahead = heartbeat.since(now);
    let silent = now.since(heartbeat);
    if ahead > TOLERANCE {
        return Some(format!("the broker's clock is {} ahead of this machine", span(ahead)));
    }
    if silent > SILENT_AFTER {
        return Some(format!("no heartbeat for {}", span(silent)));
    }
    let ahead = started.since(heartbeat);
    if ahead > TOLERANCE {
        return Some(format!("its clock is at least {} ahead", span(ahead)));
    }
    // No worker started before this time, because NAQ did not exist.
    const FIRST: Timestamp = Timestamp::from_millis(1_600_000_000_000);
    (started < FIRST).then(|| "its clock is years behind".to_owned())
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let search = request.get("name").unwrap_or_default();
    let all = &request.snapshot.workers;
    let matches = |worker: &&WorkerInfo| {
        worker.worker_id.as_str().contains(search)
            || worker.hostname.contains(search)
            || worker.queues.iter().any(|queue| queue.as_str() == search)
    };
    let found: Vec<_> = all.iter().filter(matches).collect();
    let sum = |of: fn(&WorkerInfo) -> u32| -> Number {
        found.iter().map(|worker| u64::from(of(worker))).sum::<u64>().into()
    };
    let page = WorkersPage {
        request,
        search: clip(search, 128),
        all: all.len(),
        running: sum(|worker| worker.running),
        slots: sum(|worker| worker.concurrency),
        hidden: found.len().saturating_sub(MAX_SHOWN),
        ignored: request.snapshot.history().ignored().into(),
        found: (found.len() as u64).into(),
        rows: found.iter().take(MAX_SHOWN).map(|worker| WorkerRow::new(worker, request)).collect(),
    };
    Ok(PageContent { title: "Workers".into(), tab: NavTab::Workers, body: page.render()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_cannot_be_right_gets_a_warning() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let (s, hour) = (Duration::from_secs, Duration::from_secs(3_600));
        assert_eq!(warning(now, now.saturating_sub(hour), now), None);
        assert_eq!(warning(now.saturating_sub(s(5)), now.saturating_sub(hour), now), None);
        let far = Timestamp::from_millis(u64::MAX);
        for (heartbeat, started, words) in [
            (now.saturating_sub(s(60)), now.saturating_sub(hour), "no heartbeat for 1m"),
            (now + s(60), now, "ahead of this machine"),
            (now, now + hour, "its clock is at least 1h ahead"),
            (now, far, "ahead"),
            (far, far, "ahead of this machine"),
            (now, Timestamp::default(), "years behind"),
            (Timestamp::default(), Timestamp::default(), "no heartbeat"),
        ] {
            let text = warning(heartbeat, started, now).unwrap_or_default();
            assert!(text.contains(words), "{text:?} has {words:?}");
        }
    }
}
