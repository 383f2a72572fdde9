//! Retry now, cancel, requeue: one job.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Form, Router};
use naq_client::AuditEntry;
use naq_core::transport::{JobKey, Place, Receipt};

use super::asked::Asked;
use super::done::{done, tried};
use super::{ActionError, Answer};
use crate::access::Access;
use crate::app::App;
use crate::scene::encode;
use crate::view::span;

const CANCELLED: &str = "cancelled from the dashboard";

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/job/retry-now", post(retry_now))
        .route("/job/cancel", post(cancel))
        .route("/job/requeue", post(requeue))
}

async fn retry_now(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let key: JobKey = asked.need("job")?;
    let entry = entry(&access, "retry-now", &key, &asked);
    tried(&app, &entry, app.client.retry_now(&key).await).await?;
    let message = format!("Job {} is due now.", key.id);
    Ok(done(&app, entry, message, &page(&key)).await)
}

async fn cancel(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let key: JobKey = asked.need("job")?;
    let reason = asked.get("reason").unwrap_or(CANCELLED);
    let entry = entry(&access, "cancel", &key, &asked);
    tried(&app, &entry, app.client.cancel(&key, reason).await).await?;
    let message = format!("Job {} is cancelled.", key.id);
    Ok(done(&app, entry, message, &page(&key)).await)
}

async fn requeue(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Form(asked): Form<Asked>,
) -> Result<Answer, ActionError> {
    let key: JobKey = asked.need("job")?;
    let delay = asked.span("delay")?;
    let report = app.client.report(&key).await?;
    if report.stored.place != Place::Dead {
        let message =
            format!("job {} is {} and has no dead letter to requeue", key.id, report.state);
        return Err(ActionError { status: StatusCode::CONFLICT, message });
    }
    let entry = entry(&access, "requeue", &key, &asked);
    let receipt = app.client.requeue(&report.stored, delay).await;
    let receipt = tried(&app, &entry, receipt).await?;
    if receipt == Receipt::Duplicate {
        return Ok(Answer::said(format!("Job {} was requeued before.", key.id)));
    }
    let when = delay.map_or_else(|| "now".to_owned(), |delay| format!("in {}", span(delay)));
    let message = format!("Job {} has another life, due {when}.", key.id);
    Ok(done(&app, entry, message, &page(&key)).await)
}

fn entry(access: &Access, what: &str, key: &JobKey, asked: &Asked) -> AuditEntry {
    AuditEntry::new(&access.who, what, format!("job {key}")).count(1).reason(asked.reason())
}

/// The page of a job.
fn page(key: &JobKey) -> String {
    format!("/jobs/{}/{}", encode(key.queue.as_str()), encode(key.id.as_str()))
}
