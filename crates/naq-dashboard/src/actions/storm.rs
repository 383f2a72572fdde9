//! What is done about a storm besides batches: the task is paused, and resumed.

use axum::extract::{Form, State};
use axum::routing::post;
use axum::{Extension, Router};
use naq_client::AuditEntry;
use naq_core::{QueueName, TaskName};

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::view::span;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/task/pause", post(pause)).route("/task/resume", post(resume))
}

async fn pause(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let (queue, task): (QueueName, TaskName) = (asked.need("queue")?, asked.need("task")?);
    let length = asked.span("for")?;
    if length.is_some_and(|length| length.is_zero()) {
        return Err(ActionError::bad(
            "a pause of 0 is none: leave it empty for one without an end",
        ));
    }
    let until = length.map(|length| app.client.now() + length);
    let reason = asked.reason();
    let words = length.map_or_else(|| "until it is resumed".into(), |d| format!("for {}", span(d)));
    let entry =
        AuditEntry::new(&access.who, "pause", format!("task {task} of queue {queue}, {words}"));
    let entry = entry.reason(reason);
    let paused = app.client.pause_task(&queue, &task, until, &access.who, reason).await;
    tried(&app, &entry, paused).await?;
    let message = format!("Paused {words}: {task} in {queue}.");
    Ok(to_page(&app, &asked, done(&app, entry, message, "").await))
}

async fn resume(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let (queue, task): (QueueName, TaskName) = (asked.need("queue")?, asked.need("task")?);
    let entry = AuditEntry::new(&access.who, "resume", format!("task {task} of queue {queue}"))
        .reason(asked.reason());
    if !tried(&app, &entry, app.client.resume_task(&queue, &task).await).await? {
        // Nothing was done, and nothing is recorded.
        let answer = Answer::said(format!("{task} in {queue} was not paused."));
        return Ok(to_page(&app, &asked, answer));
    }
    let message = format!(
        "Resumed: {task} in {queue}. Jobs that were held back look again within 5 minutes."
    );
    Ok(to_page(&app, &asked, done(&app, entry, message, "").await))
}

/// Back to where the form was.
fn to_page(app: &App, asked: &Asked, answer: Answer) -> Answer {
    Answer { next: Some(asked.back(&app.options.prefix, "/retries")), ..answer }
}
