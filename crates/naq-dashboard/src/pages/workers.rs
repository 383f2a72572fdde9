//! Workers: who works, on what, and how busy.

use std::time::Duration;

use askama::Template;
use naq_core::Timestamp;
use naq_core::transport::{WorkerInfo, WorkerStatus};

use super::depth::Figure;
use super::{Content, PageError, Tab};
use crate::chart::{Part, stacked};
use crate::scene::Scene;
use crate::view::{Moment, clip, count, span};

/// Workers that are shown; a name in the search finds the others.
const MAX_SHOWN: usize = 300;
/// Queues of a worker that are named.
const MAX_QUEUES: usize = 12;
/// Clocks that differ by less are right.
const TOLERANCE: Duration = Duration::from_secs(2);
/// Two heartbeats have been missed.
const SILENT: Duration = Duration::from_secs(12);

#[derive(Template)]
#[template(path = "workers.html")]
struct Workers<'a> {
    scene: &'a Scene<'a>,
    search: String,
    rows: Vec<Row>,
    all: usize,
    found: Figure,
    hidden: usize,
    running: Figure,
    slots: Figure,
    /// Reports of what they did that were not believed.
    ignored: Figure,
}

struct Row {
    id: String,
    status: WorkerStatus,
    class: &'static str,
    heard: Moment,
    /// What is wrong with its sign of life or its clock, if anything.
    doubt: Option<String>,
    host: String,
    pid: u32,
    version: String,
    queues: Vec<(String, String)>,
    more_queues: usize,
    running: Figure,
    slots: Figure,
    bar: String,
    finished: Figure,
    failed: Figure,
    started: Moment,
    stopping: bool,
}

impl Row {
    fn new(worker: &WorkerInfo, scene: &Scene<'_>) -> Self {
        let now = scene.now();
        let (slots, used) = (u64::from(worker.concurrency), u64::from(worker.running));
        let shown = used.min(slots);
        let part = |class, n, words: &str| Part { class, count: n, words: format!("{n} {words}") };
        let parts = [part("state-running", shown, "in use"), part("free", slots - shown, "free")];
        let queue =
            |name: &naq_core::QueueName| (name.to_string(), scene.link(&format!("/queues/{name}")));
        Self {
            id: worker.worker_id.to_string(),
            status: worker.status,
            class: match worker.status {
                WorkerStatus::Busy => "good",
                WorkerStatus::Stopping => "warn",
                _ => "muted",
            },
            heard: Moment::new(worker.heartbeat_at, now),
            doubt: doubt(worker.heartbeat_at, worker.started_at, now),
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
            started: Moment::new(worker.started_at, now),
            stopping: worker.status == WorkerStatus::Stopping,
        }
    }
}

/// What cannot be believed of a worker's times. When it was heard is by the broker's clock, when it
/// started by its own.
fn doubt(heard: Timestamp, started: Timestamp, now: Timestamp) -> Option<String> {
    let (ahead, silent) = (heard.since(now), now.since(heard));
    if ahead > TOLERANCE {
        return Some(format!("the broker's clock is {} ahead of ours", span(ahead)));
    }
    if silent > SILENT {
        return Some(format!("silent for {}", span(silent)));
    }
    let ahead = started.since(heard);
    if ahead > TOLERANCE {
        return Some(format!("its clock is at least {} ahead", span(ahead)));
    }
    // Nothing of NAQ is that old.
    const FIRST: Timestamp = Timestamp::from_millis(1_600_000_000_000);
    (started < FIRST).then(|| "its clock is years behind".to_owned())
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let search = scene.get("name").unwrap_or_default();
    let all = &scene.snapshot.workers;
    let fits = |worker: &&WorkerInfo| {
        worker.worker_id.as_str().contains(search)
            || worker.hostname.contains(search)
            || worker.queues.iter().any(|queue| queue.as_str() == search)
    };
    let found: Vec<_> = all.iter().filter(fits).collect();
    let sum = |of: fn(&WorkerInfo) -> u32| -> Figure {
        found.iter().map(|worker| u64::from(of(worker))).sum::<u64>().into()
    };
    let page = Workers {
        scene,
        search: clip(search, 128),
        all: all.len(),
        running: sum(|worker| worker.running),
        slots: sum(|worker| worker.concurrency),
        hidden: found.len().saturating_sub(MAX_SHOWN),
        ignored: scene.snapshot.history().ignored().into(),
        found: (found.len() as u64).into(),
        rows: found.iter().take(MAX_SHOWN).map(|worker| Row::new(worker, scene)).collect(),
    };
    Ok(Content { title: "Workers".into(), tab: Tab::Workers, body: page.render()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_clock_is_believed_that_cannot_be_right() {
        let now = Timestamp::from_millis(1_700_000_000_000);
        let (s, hour) = (Duration::from_secs, Duration::from_secs(3_600));
        assert_eq!(doubt(now, now.saturating_sub(hour), now), None);
        assert_eq!(doubt(now.saturating_sub(s(5)), now.saturating_sub(hour), now), None);
        let far = Timestamp::from_millis(u64::MAX);
        for (heard, started, words) in [
            (now.saturating_sub(s(60)), now.saturating_sub(hour), "silent for 1 min"),
            (now + s(60), now, "ahead of ours"),
            (now, now + hour, "its clock is at least 1 h ahead"),
            (now, far, "ahead"),
            (far, far, "ahead of ours"),
            (now, Timestamp::default(), "years behind"),
            (Timestamp::default(), Timestamp::default(), "silent"),
        ] {
            let said = doubt(heard, started, now).unwrap_or_default();
            assert!(said.contains(words), "{said:?} has {words:?}");
        }
    }
}
