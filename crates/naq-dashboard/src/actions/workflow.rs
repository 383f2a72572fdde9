//! Cancel a workflow.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Form, Router};
use naq_client::{AuditEntry, WorkflowError};
use naq_core::JobId;

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::scene::encode;
use crate::view::count;

const CANCELLED: &str = "its workflow was cancelled from the dashboard";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workflow/cancel", post(cancel))
}

async fn cancel(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let id: JobId = asked.need("workflow")?;
    let reason = asked.get("reason").unwrap_or(CANCELLED);
    let entry = AuditEntry::new(&access.who, "cancel", format!("workflow {id}"));
    let entry = entry.reason(asked.reason());
    let ended = app.client.cancel_workflow(&id, reason).await;
    let ended = tried(&app, &entry, ended).await? as u64;
    let jobs = if ended == 1 { "job" } else { "jobs" };
    let message = format!("Workflow {id} is cancelled: {} {jobs} ended.", count(ended));
    Ok(done(&app, entry.count(ended), message, &format!("/workflows/{}", encode(id.as_str())))
        .await)
}

impl From<WorkflowError> for ActionError {
    fn from(err: WorkflowError) -> Self {
        let status = match &err {
            WorkflowError::Unknown(_) => StatusCode::NOT_FOUND,
            WorkflowError::Transport(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        Self { status, message: err.to_string() }
    }
}
