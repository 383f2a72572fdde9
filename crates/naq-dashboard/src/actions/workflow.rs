//! Cancel a workflow.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use naq_client::WorkflowError;
use naq_core::JobId;

use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::access::Touched;
use crate::app::App;
use crate::links::encode;
use crate::user::Role;
use crate::view::count;

const CANCELLED: &str = "its workflow was cancelled from the dashboard";

pub(super) fn routes() -> Router<App> {
    Router::new().route("/workflow/cancel", post(cancel))
}

async fn cancel(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let id: JobId = request.form.required("workflow")?;
    let workflow = request.client().workflow(&id).await?;
    let queues: Touched = workflow.jobs.iter().map(|job| &job.key.queue).collect();
    request.allow(Role::Operate, queues)?;
    let reason = request.form.get("reason").unwrap_or(CANCELLED);
    let action = request.audited("cancel", format!("workflow {id}"));
    let ended = action.run(request.client().cancel_workflow(&id, reason)).await? as u64;
    let jobs = if ended == 1 { "job" } else { "jobs" };
    let message = format!("Workflow {id} is cancelled: {} {jobs} ended.", count(ended));
    let next = request.link(&format!("/workflows/{}", encode(id.as_str())));
    Ok(action.count(ended).done(message, next).await)
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
