//! Audit log: every action of an operator, newest first.

use askama::Template;
use naq_client::{AuditEntry, AuditQuery};

use super::queue_depth::Number;
use super::{NavTab, PageContent, PageError};
use crate::page_request::PageRequest;
use crate::view::{RelativeTime, clip, redacted};

/// Entries on a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    rows: Vec<AuditRow>,
    /// The link to the newest entries, on all pages but the first.
    newest: Option<String>,
    /// The link to older entries.
    older: Option<String>,
}

struct AuditRow {
    at: RelativeTime,
    who: String,
    what: String,
    scope: String,
    count: Option<Number>,
    reason: String,
}

pub(super) async fn render(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let content = |body| PageContent { title: "Audit log".into(), tab: NavTab::Audit, body };
    if request.live {
        // No region of this page is live, so an open tab causes no request to the broker.
        return Ok(content(String::new()));
    }
    let before = request.get("before").map(str::to_owned);
    let newest = before.as_ref().map(|_| request.link("/audit"));
    let log = request.app.client.audit_log(&AuditQuery { before, limit: PAGE }).await?;
    let now = request.now();
    let row = |entry: &AuditEntry| AuditRow {
        at: RelativeTime::new(entry.at, now),
        who: clip(&entry.who, 80),
        what: clip(&entry.what, 40),
        scope: clip(&entry.scope, 300),
        count: entry.count.map(Number::from),
        reason: redacted(&entry.reason, 300),
    };
    let page = AuditPage {
        rows: log.entries.iter().map(row).collect(),
        newest,
        older: log.next.as_deref().map(|next| request.with("before", Some(next))),
    };
    Ok(content(page.render()?))
}
