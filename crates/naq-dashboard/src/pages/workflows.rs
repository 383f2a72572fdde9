//! Workflows of the last 30 days, newest first.

use askama::Template;

use super::{NavTab, PageContent, PageError};
use crate::links::encode;
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, count};

/// Workflows on a page.
const PAGE: usize = 100;

#[derive(Template)]
#[template(path = "workflows.html")]
struct WorkflowsPage {
    loaded: bool,
    name: String,
    rows: Vec<WorkflowRow>,
    all: String,
    older: Option<String>,
}

struct WorkflowRow {
    link: String,
    id: String,
    name: String,
    started: RelativeTime,
    jobs: String,
    cancelled: bool,
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let name = request.get("name").unwrap_or_default().to_owned();
    let mut page = WorkflowsPage {
        loaded: !request.live,
        name,
        rows: Vec::new(),
        all: String::new(),
        older: None,
    };
    if !request.live {
        let now = request.now();
        let mut all = request.app.client.workflows().await?;
        all.retain(|workflow| page.name.is_empty() || workflow.name == page.name);
        let skipped: usize = request.get("skip").and_then(|skip| skip.parse().ok()).unwrap_or(0);
        let next = skipped.saturating_add(PAGE);
        page.all = count(all.len() as u64);
        page.older = (all.len() > next).then(|| request.with("skip", Some(&next.to_string())));
        let shown = all.into_iter().rev().skip(skipped).take(PAGE);
        page.rows = shown
            .map(|workflow| WorkflowRow {
                link: request.link(&format!("/workflows/{}", encode(workflow.id.as_str()))),
                id: clip(workflow.id.as_str(), 60),
                name: clip(&workflow.name, 60),
                started: RelativeTime::new(workflow.enqueued_at, now),
                jobs: count(workflow.jobs as u64),
                cancelled: workflow.cancelled,
            })
            .collect();
    }
    Ok(PageContent { title: "Workflows".into(), tab: NavTab::Workflows, body: page.render()? })
}
