//! Broker: its streams, how durable they are, and their consumers.

use askama::Template;
use naq_core::transport::{ConsumerReport, StreamReport, StreamRole};

use super::queue_depth::Number;
use super::{NavTab, PageContent, PageError};
use crate::page_request::PageRequest;
use crate::view::{bytes, clip, span};

/// The most streams that the page shows.
const MAX_SHOWN: usize = 300;
/// Clocks that differ by no more than this agree.
const TOLERANCE_MS: u64 = 250;

#[derive(Template)]
#[template(path = "broker.html")]
struct BrokerPage {
    server: Option<String>,
    clock: String,
    payload: String,
    streams: Vec<StreamRow>,
    hidden: usize,
}

struct StreamRow {
    name: String,
    role: String,
    queue: Option<String>,
    messages: Number,
    bytes: String,
    storage: &'static str,
    replicas: u32,
    durability: String,
    evicts: Option<String>,
    consumer: Option<ConsumerView>,
}

struct ConsumerView {
    name: String,
    lag: Number,
    held: Number,
    limit: String,
    redelivered: Number,
    waiting: Number,
    paused: bool,
    forgotten: Number,
}

impl StreamRow {
    fn new(report: &StreamReport, request: &PageRequest<'_>) -> Self {
        Self {
            name: clip(&report.name, 120),
            role: report.role.to_string(),
            queue: match &report.role {
                StreamRole::Queue(queue) => Some(request.link(&format!("/queues/{queue}"))),
                _ => None,
            },
            messages: report.messages.into(),
            bytes: bytes(report.bytes),
            storage: if report.durability.on_disk { "disk" } else { "memory" },
            replicas: report.durability.replicas.max(1),
            durability: report.durability.to_string(),
            evicts: (!report.evicts.is_empty()).then(|| {
                let evicts = report.evicts.join(", ");
                format!("{}: the broker removes {}", clip(&evicts, 120), report.role.loss().what)
            }),
            consumer: report.consumer.as_ref().map(ConsumerView::from),
        }
    }
}

impl From<&ConsumerReport> for ConsumerView {
    fn from(report: &ConsumerReport) -> Self {
        let limit = report.held_limit.map(Number::from);
        Self {
            name: clip(&report.name, 64),
            lag: report.lag.into(),
            held: report.held.into(),
            limit: limit.map_or_else(|| "no limit".to_owned(), |limit| limit.words),
            redelivered: report.redelivered.into(),
            waiting: report.waiting_requests.into(),
            paused: report.paused,
            forgotten: report.forgotten.into(),
        }
    }
}

/// How the broker's clock differs from the clock of this process.
pub(super) fn clock(ahead_ms: i64) -> String {
    let by = span(std::time::Duration::from_millis(ahead_ms.unsigned_abs()));
    match ahead_ms {
        ms if ms.unsigned_abs() <= TOLERANCE_MS => "its clock agrees with this machine".to_owned(),
        ms if ms > 0 => format!("its clock is {by} ahead of this machine"),
        _ => format!("its clock is {by} behind this machine"),
    }
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let snapshot = &request.snapshot;
    let broker = snapshot.broker.as_ref();
    let streams = &snapshot.streams;
    let page = BrokerPage {
        server: broker.map(|broker| clip(&broker.server, 80)),
        clock: broker.map_or_else(String::new, |broker| clock(broker.clock_ahead_ms)),
        payload: broker.map_or_else(String::new, |broker| bytes(broker.max_payload as u64)),
        streams: streams.iter().take(MAX_SHOWN).map(|it| StreamRow::new(it, request)).collect(),
        hidden: streams.len().saturating_sub(MAX_SHOWN),
    };
    Ok(PageContent { title: "Broker".into(), tab: NavTab::Broker, body: page.render()? })
}
