//! A queue is paused, resumed, purged.

use std::time::Duration;

use askama::Template;
use axum::extract::{Form, State};
use axum::routing::post;
use axum::{Extension, Router};
use naq_client::AuditEntry;
use naq_core::QueueName;
use naq_core::transport::QueueInfo;

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::view::{count, span};

/// A pause without an end is one of ten years: the broker wants a time.
const UNTIL_RESUMED: Duration = Duration::from_secs(3_650 * 86_400);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/queue/pause", post(pause))
        .route("/queue/resume", post(resume))
        .route("/queue/purge", post(purge))
        .route("/queue/purge/preview", post(preview))
}

async fn pause(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let info = queue(&app, &asked).await?;
    let length = asked.span("for")?;
    if length.is_some_and(|length| length.is_zero()) {
        return Err(ActionError::bad(
            "a pause of 0 is none: leave it empty for one without an end",
        ));
    }
    let length = length.filter(|length| *length < UNTIL_RESUMED);
    let until = app.client.now() + length.unwrap_or(UNTIL_RESUMED);
    let words = length.map_or_else(|| "until it is resumed".into(), |d| format!("for {}", span(d)));
    let entry = AuditEntry::new(&access.who, "pause", format!("queue {}, {words}", info.name));
    let entry = entry.reason(asked.reason());
    tried(&app, &entry, app.client.transport().pause(&info.name, until).await).await?;
    let message = format!("Paused {words}: queue {}. What runs goes on.", info.name);
    Ok(done(&app, entry, message, &page(&info)).await)
}

async fn resume(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let info = queue(&app, &asked).await?;
    if info.paused_until.is_none() {
        return Ok(Answer::said(format!("Queue {} is not paused.", info.name)));
    }
    let entry = AuditEntry::new(&access.who, "resume", format!("queue {}", info.name));
    let entry = entry.reason(asked.reason());
    tried(&app, &entry, app.client.transport().resume(&info.name).await).await?;
    let message = format!("Resumed: queue {}.", info.name);
    Ok(done(&app, entry, message, &page(&info)).await)
}

#[derive(Template)]
#[template(path = "purge.html")]
struct Purge<'a> {
    queue: &'a str,
    all: String,
    n: u64,
    pending: String,
    running: String,
    waiting: String,
}

async fn preview(State(app): State<App>, Form(asked): Form<Asked>) -> Result<Answer, ActionError> {
    let info = queue(&app, &asked).await?;
    let n = info.pending + info.running + info.waiting;
    let page = Purge {
        queue: info.name.as_str(),
        all: count(n),
        n,
        pending: count(info.pending),
        running: count(info.running),
        waiting: count(info.waiting),
    };
    let html = page.render().map_err(|err| ActionError::bad(err.to_string()))?;
    Ok(Answer { html: Some(html), ..Answer::default() })
}

async fn purge(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let info = queue(&app, &asked).await?;
    if asked.get("confirm") != Some(info.name.as_str()) {
        let name = &info.name;
        return Err(ActionError::bad(format!("type the queue's name, {name}, to purge it")));
    }
    let entry = AuditEntry::new(&access.who, "purge", format!("jobs of queue {}", info.name));
    let entry = entry.reason(asked.reason());
    let removed = app.client.transport().purge(&info.name).await;
    let removed = tried(&app, &entry, removed).await?;
    let jobs = if removed == 1 { "job" } else { "jobs" };
    let message = format!("Removed {} {jobs} of queue {}.", count(removed), info.name);
    Ok(done(&app, entry.count(removed), message, &page(&info)).await)
}

/// The queue that is meant, as it is now.
async fn queue(app: &App, asked: &Asked) -> Result<QueueInfo, ActionError> {
    let name: QueueName = asked.need("queue")?;
    let info = app.client.transport().queue_info(&name).await?;
    info.ok_or_else(|| ActionError::bad(format!("there is no queue {name}")))
}

fn page(info: &QueueInfo) -> String {
    format!("/queues/{}", info.name)
}
