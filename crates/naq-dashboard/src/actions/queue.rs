//! Pause, resume and purge a queue.

use askama::Template;
use axum::Router;
use axum::routing::post;
use naq_core::QueueName;
use naq_core::transport::QueueInfo;

use super::pause_length::PauseLength;
use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::app::App;
use crate::user::Role;
use crate::view::count;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/queue/pause", post(pause))
        .route("/queue/resume", post(resume))
        .route("/queue/purge", post(purge))
        .route("/queue/purge/preview", post(preview))
}

async fn pause(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let QueueInfo { name, .. } = queue(&request, Role::Operate).await?;
    let length = PauseLength::read(&request.form)?;
    let length = PauseLength(length.0.filter(|length| *length < QueueInfo::UNTIL_RESUMED));
    let until = request.client().now() + length.0.unwrap_or(QueueInfo::UNTIL_RESUMED);
    let action = request.audited("pause", format!("queue {name}, {length}"));
    action.run(request.client().transport().pause(&name, until)).await?;
    let message = format!("Paused {length}: queue {name}. Jobs that run now finish.");
    Ok(action.done(message, page(&request, &name)).await)
}

async fn resume(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let QueueInfo { name, paused_until, .. } = queue(&request, Role::Operate).await?;
    if paused_until.is_none() {
        return Ok(ActionReply::message(format!("Queue {name} is not paused.")));
    }
    let action = request.audited("resume", format!("queue {name}"));
    action.run(request.client().transport().resume(&name)).await?;
    Ok(action.done(format!("Resumed: queue {name}."), page(&request, &name)).await)
}

#[derive(Template)]
#[template(path = "purge.html")]
struct PurgePreviewHtml<'a> {
    queue: &'a str,
    all: String,
    n: u64,
    pending: String,
    running: String,
    waiting: String,
}

async fn preview(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let info = queue(&request, Role::Admin).await?;
    let n = info.pending + info.running + info.waiting;
    let page = PurgePreviewHtml {
        queue: info.name.as_str(),
        all: count(n),
        n,
        pending: count(info.pending),
        running: count(info.running),
        waiting: count(info.waiting),
    };
    let html = page.render().map_err(|err| ActionError::bad_request(err.to_string()))?;
    Ok(ActionReply { html: Some(html), ..ActionReply::default() })
}

async fn purge(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let QueueInfo { name, .. } = queue(&request, Role::Admin).await?;
    if request.form.get("confirm") != Some(name.as_str()) {
        let message = format!("type the queue's name, {name}, to purge it");
        return Err(ActionError::bad_request(message));
    }
    let action = request.audited("purge", format!("jobs of queue {name}"));
    let removed = action.run(request.client().purge_queue(&name)).await?;
    let jobs = if removed == 1 { "job" } else { "jobs" };
    let message = format!("Removed {} {jobs} of queue {name}.", count(removed));
    Ok(action.count(removed).done(message, page(&request, &name)).await)
}

/// The queue that the form names, as it is now, for a visitor with this role.
async fn queue(request: &ActionRequest, needed: Role) -> Result<QueueInfo, ActionError> {
    let name: QueueName = request.form.required("queue")?;
    request.allow(needed, &name)?;
    let info = request.client().transport().queue_info(&name).await?;
    info.ok_or_else(|| ActionError::bad_request(format!("there is no queue {name}")))
}

fn page(request: &ActionRequest, name: &QueueName) -> String {
    request.link(&format!("/queues/{name}"))
}
