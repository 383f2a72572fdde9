//! Workflows: those of the last 30 days, the newest first.

use askama::Template;

use super::{Content, PageError, Tab};
use crate::scene::{Scene, encode};
use crate::view::{Moment, clip, count};

/// Workflows of a page.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "workflows.html")]
struct Page {
    loaded: bool,
    name: String,
    rows: Vec<Row>,
    all: String,
    older: Option<String>,
}

struct Row {
    link: String,
    id: String,
    name: String,
    started: Moment,
    jobs: String,
    cancelled: bool,
}

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let name = scene.get("name").unwrap_or_default().to_owned();
    let mut page =
        Page { loaded: !scene.live, name, rows: Vec::new(), all: String::new(), older: None };
    if !scene.live {
        let now = scene.now();
        let mut all = scene.app.client.workflows().await?;
        all.retain(|workflow| page.name.is_empty() || workflow.name == page.name);
        let skipped: usize = scene.get("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let next = skipped.saturating_add(SHOWN);
        page.all = count(all.len() as u64);
        page.older = (all.len() > next).then(|| scene.with("skip", Some(&next.to_string())));
        let shown = all.into_iter().rev().skip(skipped).take(SHOWN);
        page.rows = shown
            .map(|workflow| Row {
                link: scene.link(&format!("/workflows/{}", encode(workflow.id.as_str()))),
                id: clip(workflow.id.as_str(), 60),
                name: clip(&workflow.name, 60),
                started: Moment::new(workflow.enqueued_at, now),
                jobs: count(workflow.jobs as u64),
                cancelled: workflow.cancelled,
            })
            .collect();
    }
    Ok(Content { title: "Workflows".into(), tab: Tab::Workflows, body: page.render()? })
}
