//! What was done: every action of an operator, newest first.

use askama::Template;
use naq_client::{AuditEntry, AuditQuery};

use super::depth::Figure;
use super::{Content, PageError, Tab};
use crate::scene::Scene;
use crate::view::{Moment, clip, said};

/// Entries of a page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct Audit {
    rows: Vec<Row>,
    /// Whether this is not the first page.
    later: Option<String>,
    next: Option<String>,
}

struct Row {
    at: Moment,
    who: String,
    what: String,
    scope: String,
    count: Option<Figure>,
    reason: String,
}

pub(super) async fn render(scene: &Scene<'_>) -> Result<Content, PageError> {
    let content = |body| Content { title: "What was done".into(), tab: Tab::Audit, body };
    if scene.live {
        // Nothing here changes by itself: a tab costs the broker nothing.
        return Ok(content(String::new()));
    }
    let before = scene.get("before").map(str::to_owned);
    let later = before.as_ref().map(|_| scene.link("/audit"));
    let log = scene.app.client.audit_log(&AuditQuery { before, limit: PAGE }).await?;
    let now = scene.now();
    let row = |entry: &AuditEntry| Row {
        at: Moment::new(entry.at, now),
        who: clip(&entry.who, 80),
        what: clip(&entry.what, 40),
        scope: clip(&entry.scope, 300),
        count: entry.count.map(Figure::from),
        reason: said(&entry.reason, 300),
    };
    let page = Audit {
        rows: log.entries.iter().map(row).collect(),
        later,
        next: log.next.as_deref().map(|next| scene.with("before", Some(next))),
    };
    Ok(content(page.render()?))
}
