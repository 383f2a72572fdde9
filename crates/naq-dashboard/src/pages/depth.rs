//! [`Depth`]: a queue's jobs by what they do, in numbers and as a bar.

use naq_core::transport::QueueInfo;

use crate::chart::{Part, stacked};
use crate::view::{Moment, count, span};

/// Numbers as they are, and as words.
#[derive(Debug, Clone)]
pub(super) struct Figure {
    pub(super) n: u64,
    pub(super) words: String,
}

impl From<u64> for Figure {
    fn from(n: u64) -> Self {
        Self { n, words: count(n) }
    }
}

/// What stands in a queue.
#[derive(Debug)]
pub(super) struct Depth {
    pub(super) name: String,
    pub(super) link: String,
    pub(super) bar: String,
    pub(super) pending: Figure,
    pub(super) running: Figure,
    pub(super) waiting: Figure,
    pub(super) dead: Figure,
    pub(super) oldest: Option<String>,
    pub(super) paused: Option<Moment>,
    pub(super) limit: Option<Figure>,
}

impl Depth {
    pub(super) fn new(info: &QueueInfo, scene: &crate::scene::Scene<'_>) -> Self {
        let parts = [
            ("state-pending", info.pending, "pending"),
            ("state-running", info.running, "running"),
            ("state-retrying", info.waiting, "waiting for their time"),
            ("state-dead", info.dead, "dead"),
        ]
        .map(|(class, n, words)| Part {
            class,
            count: n,
            words: format!("{} {words}", count(n)),
        });
        let words: Vec<_> = parts.iter().map(|part| part.words.as_str()).collect();
        Self {
            name: info.name.to_string(),
            link: scene.link(&format!("/queues/{}", info.name)),
            bar: stacked(&parts, &format!("{}: {}", info.name, words.join(", "))),
            pending: info.pending.into(),
            running: info.running.into(),
            waiting: info.waiting.into(),
            dead: info.dead.into(),
            oldest: info.oldest.map(span),
            paused: info.paused_until.map(|until| Moment::new(until, scene.now())),
            limit: info.concurrency_limit.map(Figure::from),
        }
    }
}
