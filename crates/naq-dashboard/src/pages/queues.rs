//! Queues: all of them, in numbers.

use std::time::Duration;

use askama::Template;
use naq_core::transport::QueueInfo;

use super::depth::{Depth, Figure};
use super::{Content, PageError, Tab};
use crate::chart::spark;
use crate::scene::Scene;
use crate::snapshot::LINE;
use crate::view::{clip, count, covered, percent, rate};

/// Queues that are shown; a name in the search finds the others.
const MAX_SHOWN: usize = 200;
pub(super) const MINUTES: Duration = Duration::from_secs(300);

#[derive(Template)]
#[template(path = "queues.html")]
struct Queues<'a> {
    scene: &'a Scene<'a>,
    search: String,
    rows: Vec<Row>,
    found: Figure,
    hidden: usize,
    all: usize,
}

struct Row {
    depth: Depth,
    starts: String,
    completed: String,
    errors: String,
    failed: u64,
    line: String,
}

impl Row {
    fn new(info: &QueueInfo, scene: &Scene<'_>) -> Self {
        let (snapshot, now) = (&scene.snapshot, scene.now());
        let (minutes, hour) = (snapshot.minutes.queue(&info.name), snapshot.hour.queue(&info.name));
        let over = covered(MINUTES, now);
        let (failed, starts) = (hour.failed(), hour.starts.total());
        Self {
            depth: Depth::new(info, scene),
            starts: rate(minutes.starts.total(), over),
            completed: rate(minutes.completed.total(), over),
            errors: percent((starts > 0).then(|| failed as f64 / starts as f64)),
            failed,
            line: line(info, scene),
        }
    }
}

/// Starts by the minute over the last half hour.
pub(super) fn line(info: &QueueInfo, scene: &Scene<'_>) -> String {
    let starts = scene.snapshot.lines.get(&info.name);
    let starts = starts.map_or(&[0; LINE as usize][..], Vec::as_slice);
    let sum = count(starts.iter().sum());
    spark(starts, &format!("{sum} attempts started in the last {LINE} minutes, by the minute"))
}

pub(super) fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let search = scene.get("name").unwrap_or_default();
    let all = &scene.snapshot.queues;
    let found: Vec<_> = all.iter().filter(|info| info.name.as_str().contains(search)).collect();
    let page = Queues {
        scene,
        search: clip(search, 64),
        hidden: found.len().saturating_sub(MAX_SHOWN),
        found: (found.len() as u64).into(),
        rows: found.iter().take(MAX_SHOWN).map(|info| Row::new(info, scene)).collect(),
        all: all.len(),
    };
    Ok(Content { title: "Queues".into(), tab: Tab::Queues, body: page.render()? })
}
