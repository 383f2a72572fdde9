//! Drain a worker.

use axum::Router;
use axum::routing::post;
use naq_client::ClientError;
use naq_core::WorkerId;

use super::request::ActionRequest;
use super::{ActionError, ActionReply};
use crate::access::Touched;
use crate::app::App;
use crate::user::Role;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/worker/drain", post(drain))
}

async fn drain(request: ActionRequest) -> Result<ActionReply, ActionError> {
    let id: WorkerId = request.form.required("worker")?;
    let workers = request.client().transport().workers().await?;
    let worker = workers.into_iter().find(|worker| worker.worker_id == id);
    let worker = worker.ok_or_else(|| ClientError::NoWorker(id.clone()))?;
    request.allow(Role::Operate, Touched::from_iter(&worker.queues))?;
    let action = request.audited("drain", format!("worker {id}"));
    let worker = action.run(request.client().drain_worker(&id)).await?;
    let running = u64::from(worker.running);
    let message = match running {
        0 => format!("Worker {id} drains. It runs no job."),
        1 => format!("Worker {id} drains. It finishes the job that it runs."),
        n => format!("Worker {id} drains. It finishes the {n} jobs that it runs."),
    };
    Ok(action.count(running).done(message, request.link("/workers")).await)
}
