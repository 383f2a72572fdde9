//! Retry now, cancel and requeue one job.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use naq_core::transport::{JobKey, Place, Receipt};

use super::audited::AuditedAction;
use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::app::App;
use crate::links::job_path;
use crate::user::Role;
use crate::view::{redacted, span};

const CANCELLED: &str = "cancelled from the dashboard";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/job/retry-now", post(retry_now))
        .route("/job/cancel", post(cancel))
        .route("/job/requeue", post(requeue))
}

async fn retry_now(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let key = job(&request)?;
    let before = request.client().report(&key).await?;
    let hold = request.client().hold_of(&before).await?;
    let action = audited(&request, "retry-now", &key);
    action.run(request.client().retry_now(&key)).await?;
    let held = hold.map_or_else(String::new, |hold| {
        format!(" It is held all the same: {}.", redacted(&hold.reason, 300))
    });
    let message = format!("Job {} is due now.{held}", key.id);
    Ok(action.done(message, page(&request, &key)).await)
}

async fn cancel(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let key = job(&request)?;
    let reason = request.form.get("reason").unwrap_or(CANCELLED);
    let action = audited(&request, "cancel", &key);
    action.run(request.client().cancel(&key, reason)).await?;
    Ok(action.done(format!("Job {} is cancelled.", key.id), page(&request, &key)).await)
}

async fn requeue(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let key = job(&request)?;
    let delay = request.form.span("delay")?;
    let report = request.client().report(&key).await?;
    if report.stored.place != Place::Dead {
        let message =
            format!("job {} is {} and has no dead letter to requeue", key.id, report.state);
        return Err(ActionError { status: StatusCode::CONFLICT, message });
    }
    let action = audited(&request, "requeue", &key);
    let receipt = action.run(request.client().requeue(&report.stored, delay)).await?;
    if receipt == Receipt::Duplicate {
        return Ok(ActionReply::message(format!("Job {} was requeued before.", key.id)));
    }
    let when = delay.map_or_else(|| "now".to_owned(), |delay| format!("in {}", span(delay)));
    let message = format!("Job {} has a new life, due {when}.", key.id);
    Ok(action.done(message, page(&request, &key)).await)
}

/// The job that the form names.
fn job(request: &ActionRequest) -> Result<JobKey, ActionError> {
    let key: JobKey = request.form.required("job")?;
    request.allow(Role::Operate, &key.queue)?;
    Ok(key)
}

fn audited<'a>(request: &'a ActionRequest, what: &str, key: &JobKey) -> AuditedAction<'a> {
    request.audited(what, format!("job {key}")).count(1)
}

fn page(request: &ActionRequest, key: &JobKey) -> String {
    request.link(&job_path(key))
}
