//! A worker is asked to stop.

use axum::extract::{Form, State};
use axum::routing::post;
use axum::{Extension, Router};
use naq_client::AuditEntry;
use naq_core::WorkerId;

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;

pub(super) fn routes() -> Router<App> {
    Router::new().route("/worker/drain", post(drain))
}

async fn drain(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let id: WorkerId = asked.need("worker")?;
    let entry = AuditEntry::new(&access.who, "drain", format!("worker {id}"));
    let entry = entry.reason(asked.reason());
    let worker = tried(&app, &entry, app.client.drain_worker(&id).await).await?;
    let running = u64::from(worker.running);
    let message = match running {
        0 => format!("Told to stop: {id}. It was idle."),
        1 => format!("Told to stop: {id}. It finishes the job that it runs."),
        n => format!("Told to stop: {id}. It finishes the {n} jobs that it runs."),
    };
    Ok(done(&app, entry.count(running), message, "/workers").await)
}
