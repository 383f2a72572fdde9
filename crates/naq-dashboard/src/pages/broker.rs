//! Broker: what everything is kept in, how well, and who is handed it.

use askama::Template;
use naq_core::transport::{ConsumerReport, StreamReport, StreamRole};

use super::depth::Figure;
use super::{Content, PageError, Tab};
use crate::scene::Scene;
use crate::view::{bytes, clip, span};

/// Streams that are shown.
const MAX_SHOWN: usize = 300;
/// Clocks that differ by less are the same.
const TOLERANCE_MS: u64 = 250;

#[derive(Template)]
#[template(path = "broker.html")]
struct Broker {
    server: Option<String>,
    clock: String,
    payload: String,
    streams: Vec<Stream>,
    hidden: usize,
}

struct Stream {
    name: String,
    role: String,
    queue: Option<String>,
    messages: Figure,
    bytes: String,
    storage: &'static str,
    replicas: u32,
    durability: String,
    consumer: Option<Consumer>,
}

struct Consumer {
    name: String,
    lag: Figure,
    held: Figure,
    limit: String,
    redelivered: Figure,
    waiting: Figure,
    paused: bool,
}

impl Stream {
    fn new(report: &StreamReport, scene: &Scene<'_>) -> Self {
        Self {
            name: clip(&report.name, 120),
            role: report.role.to_string(),
            queue: match &report.role {
                StreamRole::Queue(queue) => Some(scene.link(&format!("/queues/{queue}"))),
                _ => None,
            },
            messages: report.messages.into(),
            bytes: bytes(report.bytes),
            storage: if report.durability.on_disk { "disk" } else { "memory" },
            replicas: report.durability.replicas.max(1),
            durability: report.durability.to_string(),
            consumer: report.consumer.as_ref().map(Consumer::from),
        }
    }
}

impl From<&ConsumerReport> for Consumer {
    fn from(report: &ConsumerReport) -> Self {
        let limit = report.held_limit.map(Figure::from);
        Self {
            name: clip(&report.name, 64),
            lag: report.lag.into(),
            held: report.held.into(),
            limit: limit.map_or_else(|| "no limit".to_owned(), |limit| limit.words),
            redelivered: report.redelivered.into(),
            waiting: report.waiting_requests.into(),
            paused: report.paused,
        }
    }
}

/// How the broker's clock differs from ours, in words.
pub(super) fn clock(ahead_ms: i64) -> String {
    let by = span(std::time::Duration::from_millis(ahead_ms.unsigned_abs()));
    match ahead_ms {
        ms if ms.unsigned_abs() <= TOLERANCE_MS => "its clock agrees with ours".to_owned(),
        ms if ms > 0 => format!("its clock is {by} ahead of ours"),
        _ => format!("its clock is {by} behind ours"),
    }
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let snapshot = &scene.snapshot;
    let broker = snapshot.broker.as_ref();
    let streams = &snapshot.streams;
    let page = Broker {
        server: broker.map(|broker| clip(&broker.server, 80)),
        clock: broker.map_or_else(String::new, |broker| clock(broker.clock_ahead_ms)),
        payload: broker.map_or_else(String::new, |broker| bytes(broker.max_payload as u64)),
        streams: streams.iter().take(MAX_SHOWN).map(|it| Stream::new(it, scene)).collect(),
        hidden: streams.len().saturating_sub(MAX_SHOWN),
    };
    Ok(Content { title: "Broker".into(), tab: Tab::Broker, body: page.render()? })
}
