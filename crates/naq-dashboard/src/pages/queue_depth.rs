//! [`QueueDepth`]: how many jobs of a queue are in which state, in numbers and as a bar.

use naq_core::transport::{QueueBound, QueueInfo};

use crate::chart::{StackedPart, stacked};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, bytes, count, span};

/// A number, and its text with digits in groups.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) n: u64,
    pub(super) words: String,
}

impl From<u64> for Number {
    fn from(n: u64) -> Self {
        Self { n, words: count(n) }
    }
}

/// The jobs of one queue.
#[derive(Debug)]
pub(super) struct QueueDepth {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) bar: String,
    pub(super) pending: Number,
    /// The jobs that have a slot.
    pub(super) running: Number,
    /// The jobs that wait in a worker for a slot.
    pub(super) taken: Number,
    pub(super) waiting: Number,
    pub(super) dead: Number,
    pub(super) oldest: Option<String>,
    pub(super) is_paused: bool,
    /// When the pause ends by itself. None if an operator must resume the queue.
    pub(super) paused_until: Option<RelativeTime>,
    pub(super) limit: Option<Number>,
    pub(super) bound: Option<String>,
}

impl QueueDepth {
    pub(super) fn new(info: &QueueInfo, request: &PageRequest<'_>) -> Self {
        let running = request.snapshot.runs.running(&info.name, info.running);
        let taken = info.running - running;
        let parts = [
            ("state-pending", info.pending, "pending"),
            ("state-taken", taken, "taken by a worker, for a slot"),
            ("state-running", running, "running"),
            ("state-retrying", info.waiting, "waiting until they are due"),
            ("state-dead", info.dead, "dead"),
        ]
        .map(|(class, n, words)| StackedPart {
            class,
            count: n,
            words: format!("{} {words}", count(n)),
        });
        let words: Vec<_> = parts.iter().map(|part| part.words.as_str()).collect();
        Self {
            name: info.name.to_string(),
            link: request.link(&format!("/queues/{}", info.name)),
            bar: stacked(&parts, &format!("{}: {}", info.name, words.join(", "))),
            pending: info.pending.into(),
            running: running.into(),
            taken: taken.into(),
            waiting: info.waiting.into(),
            dead: info.dead.into(),
            oldest: info.oldest.map(span),
            is_paused: info.is_paused(request.now()),
            paused_until: info
                .pause_ends_at(request.now())
                .map(|until| RelativeTime::new(until, request.now())),
            limit: info.concurrency_limit.map(Number::from),
            bound: bound_words(info.bound),
        }
    }
}

fn bound_words(bound: QueueBound) -> Option<String> {
    let jobs = bound.max_jobs.map(|jobs| format!("{} jobs", count(jobs.get())));
    let size = bound.max_bytes.map(|size| bytes(size.get()));
    let parts: Vec<_> = jobs.into_iter().chain(size).collect();
    (!parts.is_empty()).then(|| format!("at most {}", parts.join(" and ")))
}
