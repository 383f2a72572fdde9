//! Pause, resume, run now: one schedule.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Form, Router};
use naq_client::{AuditEntry, EnqueueError, ScheduleError};
use naq_core::ScheduleName;

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::scene::encode;

const PAGE: &str = "/schedules";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/schedule/pause", post(pause))
        .route("/schedule/resume", post(resume))
        .route("/schedule/run-now", post(run_now))
}

async fn pause(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let name: ScheduleName = asked.need("schedule")?;
    let entry = entry(&access, "pause", &name, &asked);
    tried(&app, &entry, app.client.schedules().pause(&name).await).await?;
    let message = format!("Schedule {name} is paused: its ticks pass by.");
    Ok(done(&app, entry, message, PAGE).await)
}

async fn resume(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let name: ScheduleName = asked.need("schedule")?;
    let entry = entry(&access, "resume", &name, &asked);
    tried(&app, &entry, app.client.schedules().resume(&name).await).await?;
    let message = format!("Schedule {name} goes on with its next tick.");
    Ok(done(&app, entry, message, PAGE).await)
}

async fn run_now(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let name: ScheduleName = asked.need("schedule")?;
    let entry = entry(&access, "run-now", &name, &asked);
    let key = tried(&app, &entry, app.client.schedules().run_now(&name).await).await?;
    let message = format!("A run of {name} is enqueued: job {key}.");
    let page = format!("/jobs/{}/{}", encode(key.queue.as_str()), encode(key.id.as_str()));
    Ok(done(&app, entry, message, &page).await)
}

fn entry(access: &Access, what: &str, name: &ScheduleName, asked: &Asked) -> AuditEntry {
    AuditEntry::new(&access.who, what, format!("schedule {name}")).reason(asked.reason())
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
