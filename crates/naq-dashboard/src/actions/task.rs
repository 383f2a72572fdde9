//! Pause and resume one task of a queue.

use axum::Router;
use axum::routing::post;
use naq_core::{QueueName, TaskName};

use super::pause_length::PauseLength;
use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::app::App;
use crate::user::Role;

/// Where the forms are if they do not say so.
const PAGE: &str = "/retries";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/task/pause", post(pause)).route("/task/resume", post(resume))
}

async fn pause(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let (queue, task) = queue_and_task(&request)?;
    let length = PauseLength::read(&request.form)?;
    let client = request.client();
    let until = length.0.map(|length| client.now() + length);
    let action = request.audited("pause", format!("task {task} of queue {queue}, {length}"));
    let (who, reason) = (&request.access.who, request.form.reason());
    action.run(client.pause_task(&queue, &task, until, who, reason)).await?;
    let message = format!("Paused {length}: {task} in {queue}.");
    Ok(action.done(message, request.return_path(PAGE)).await)
}

async fn resume(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let (queue, task) = queue_and_task(&request)?;
    let action = request.audited("resume", format!("task {task} of queue {queue}"));
    let next = request.return_path(PAGE);
    if !action.run(request.client().resume_task(&queue, &task)).await? {
        // The audit log has only what was done.
        let reply = ActionReply::message(format!("{task} in {queue} was not paused."));
        return Ok(ActionReply { next: Some(next), ..reply });
    }
    let message =
        format!("Resumed: {task} in {queue}. Jobs that were held back try again within 5 minutes.");
    Ok(action.done(message, next).await)
}

fn queue_and_task(request: &ActionRequest) -> Result<(QueueName, TaskName), ActionError> {
    let queue: QueueName = request.form.required("queue")?;
    request.allow(Role::Operate, &queue)?;
    Ok((queue, request.form.required("task")?))
}
