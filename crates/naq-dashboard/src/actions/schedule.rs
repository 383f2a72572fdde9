//! Pause, resume and run one schedule.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use naq_client::{EnqueueError, ScheduleError};
use naq_core::ScheduleName;

use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::app::App;
use crate::links::job_path;
use crate::user::Role;

const PAGE: &str = "/schedules";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/schedule/pause", post(pause))
        .route("/schedule/resume", post(resume))
        .route("/schedule/run-now", post(run_now))
}

async fn pause(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let name = schedule(&request).await?;
    let action = request.audited("pause", format!("schedule {name}"));
    action.run(request.client().schedules().pause(&name)).await?;
    let message = format!("Schedule {name} is paused: it skips its ticks until it is resumed.");
    Ok(action.done(message, request.link(PAGE)).await)
}

async fn resume(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let name = schedule(&request).await?;
    let action = request.audited("resume", format!("schedule {name}"));
    action.run(request.client().schedules().resume(&name)).await?;
    let message = format!("Schedule {name} is resumed: its next tick makes a run.");
    Ok(action.done(message, request.link(PAGE)).await)
}

async fn run_now(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let name = schedule(&request).await?;
    let action = request.audited("run-now", format!("schedule {name}"));
    let key = action.run(request.client().schedules().run_now(&name)).await?;
    let message = format!("A run of {name} is enqueued: job {key}.");
    Ok(action.done(message, request.link(&job_path(&key))).await)
}

/// The schedule that the form names.
async fn schedule(request: &ActionRequest) -> Result<ScheduleName, ActionError> {
    let name: ScheduleName = request.form.required("schedule")?;
    let report = request.client().schedules().get(&name).await?;
    request.allow(Role::Operate, &report.schedule.job.envelope().queue)?;
    Ok(name)
}

impl From<ScheduleError> for ActionError {
    fn from(err: ScheduleError) -> Self {
        let status = match &err {
            ScheduleError::NotFound(_) => StatusCode::NOT_FOUND,
            ScheduleError::Transport(_) | ScheduleError::Job(EnqueueError::Transport(_)) => {
                StatusCode::BAD_GATEWAY
            }
            _ => StatusCode::CONFLICT,
        };
        Self { status, message: err.to_string() }
    }
}
