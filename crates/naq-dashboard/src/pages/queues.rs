//! Queues: the numbers of all queues.

use std::time::Duration;

use askama::Template;
use naq_core::transport::QueueInfo;

use super::queue_depth::{Number, QueueDepth};
use super::{NavTab, PageContent, PageError};
use crate::chart::spark;
use crate::page_request::PageRequest;
use crate::snapshot::SPARK_MINUTES;
use crate::view::{clip, count, covered, percent, rate};

/// The most queues that the page shows; the search finds the others.
const MAX_SHOWN: usize = 200;
/// The time that the rates are an average of.
pub(super) const MINUTES: Duration = Duration::from_secs(300);

#[derive(Template)]
#[template(path = "queues.html")]
struct QueuesPage<'a> {
    request: &'a PageRequest<'a>,
    search: String,
    rows: Vec<QueueRow>,
    found: Number,
    hidden: usize,
    all: usize,
}

struct QueueRow {
    depth: QueueDepth,
    starts: String,
    completed: String,
    errors: String,
    failed: u64,
    starts_chart: String,
}

impl QueueRow {
    fn new(info: &QueueInfo, request: &PageRequest<'_>) -> Self {
        let minutes = request.snapshot.minutes.queue(&info.name);
        let hour = request.snapshot.hour.queue(&info.name);
        let over = covered(MINUTES, request.now());
        let failed = hour.failed();
        let starts = hour.starts.total();
        Self {
            depth: QueueDepth::new(info, request),
            starts: rate(minutes.starts.total(), over),
            completed: rate(minutes.completed.total(), over),
            errors: percent((starts > 0).then(|| failed as f64 / starts as f64)),
            failed,
            starts_chart: starts_chart(info, request),
        }
    }
}

/// A small chart of the starts in each of the last [`SPARK_MINUTES`] minutes.
pub(super) fn starts_chart(info: &QueueInfo, request: &PageRequest<'_>) -> String {
    let starts = request.snapshot.starts.get(&info.name);
    let starts = starts.map_or(&[0; SPARK_MINUTES as usize][..], Vec::as_slice);
    let sum = count(starts.iter().sum());
    spark(
        starts,
        &format!("{sum} attempts started in the last {SPARK_MINUTES} minutes, by the minute"),
    )
}

pub(super) fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let search = request.get("name").unwrap_or_default();
    let all = &request.snapshot.queues;
    let found: Vec<_> = all.iter().filter(|info| info.name.as_str().contains(search)).collect();
    let page = QueuesPage {
        request,
        search: clip(search, 64),
        hidden: found.len().saturating_sub(MAX_SHOWN),
        found: (found.len() as u64).into(),
        rows: found.iter().take(MAX_SHOWN).map(|info| QueueRow::new(info, request)).collect(),
        all: all.len(),
    };
    Ok(PageContent { title: "Queues".into(), tab: NavTab::Queues, body: page.render()? })
}
