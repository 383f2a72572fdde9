//! Find: the jobs with a text in their id, a tag, their task or their last error.

use askama::Template;
use naq_client::FoundJob;
use naq_core::JobState;
use tokio::sync::Semaphore;

use super::{NavTab, PageContent, PageError, job};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, redacted};

/// Messages of each place that a search reads.
const SCAN: usize = 1_000;
/// The most jobs that the page shows.
const MAX_SHOWN: usize = 100;
/// The longest text that the page searches for, in characters.
const MAX_TEXT: usize = 200;
/// Searches of this process that run at once: 2. The others wait.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

#[derive(Template)]
#[template(path = "find.html")]
struct FindPage {
    text: String,
    action: String,
    rows: Vec<FoundRow>,
    more: usize,
    searched: String,
}

struct FoundRow {
    link: String,
    key: String,
    state: JobState,
    task: String,
    matched_by: &'static str,
    tags: String,
    since: RelativeTime,
    error: Option<(String, String)>,
}

impl FoundRow {
    fn new(found: &FoundJob, request: &PageRequest<'_>) -> Self {
        let FoundJob { job, matched_by, .. } = found;
        let message = job.message.as_deref().unwrap_or_default();
        Self {
            link: job::link(request, &job.key),
            key: clip(&job.key.to_string(), 80),
            state: job.state,
            task: job.task.as_ref().map_or_else(|| "unknown".into(), ToString::to_string),
            matched_by: matched_by.as_str(),
            tags: clip(&job.tags.join(", "), 80),
            since: RelativeTime::new(job.stored_at, request.now()),
            error: job.error_kind.as_ref().map(|kind| (kind.to_string(), redacted(message, 140))),
        }
    }
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let content = |body| PageContent { title: "Find".into(), tab: NavTab::None, body };
    if request.live {
        // No region of this page is live, so an open tab causes no request to the broker.
        return Ok(content(String::new()));
    }
    let text: String = request.get("q").unwrap_or_default().trim().chars().take(MAX_TEXT).collect();
    let found = {
        let _turn = AT_ONCE.acquire().await;
        request.app.client.find_jobs(&text, SCAN).await?
    };
    let page = FindPage {
        action: request.link("/find"),
        more: found.jobs.len().saturating_sub(MAX_SHOWN),
        rows: found.jobs.iter().take(MAX_SHOWN).map(|it| FoundRow::new(it, request)).collect(),
        searched: found.searched_text(),
        text: clip(&text, MAX_TEXT),
    };
    Ok(content(page.render()?))
}
