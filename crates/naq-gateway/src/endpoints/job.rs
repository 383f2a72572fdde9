//! One job: its state and result, cancel, retry now.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use naq_client::{JobReport, WaitError};
use naq_core::names::JobKey;
use serde::Deserialize;

use super::audit;
use super::job_answer::JobAnswer;
use crate::app::App;
use crate::guard::Access;
use crate::problem::Problem;
use crate::request::{BodyFields, JobPath, QueryFields, maybe_span};

/// The reason of a cancel that gives none.
const CANCELLED: &str = "cancelled through the gateway";

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShowQuery {
    /// How long to wait for the end of the job. The answer comes at its end, or after this time.
    #[serde(default, deserialize_with = "maybe_span")]
    wait: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelBody {
    reason: Option<String>,
}

/// The job, if the caller may see it.
pub(super) async fn read(app: &App, access: &Access, key: &JobKey) -> Result<JobReport, Problem> {
    let report = app.client.report(key).await?;
    let letter = report.dead.as_ref().and_then(|letter| letter.task.as_ref());
    access.check_job(report.envelope.as_ref().map(|job| &job.task).or(letter))?;
    Ok(report)
}

pub(crate) async fn show(
    State(app): State<App>,
    access: Access,
    JobPath(key): JobPath,
    QueryFields(query): QueryFields<ShowQuery>,
) -> Result<JobAnswer, Problem> {
    let report = read(&app, &access, &key).await?;
    let Some(wait) = query.wait.filter(|_| !report.state.is_final()) else {
        return Ok(JobAnswer::from(&report));
    };
    let max = app.options.max_wait;
    if wait > max {
        let detail = format!("wait: at most {max:?} in one request; send it again to wait longer");
        return Err(Problem::bad_request(detail));
    }
    let _place = app.waiting.clone().try_acquire_owned().map_err(|_| {
        let title = "Too many requests wait for jobs";
        let detail = format!("{} requests wait already", app.options.max_waiting);
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", title, detail)
            .next("send the request again, or without `wait`")
            .retry_after(Duration::from_secs(1))
    })?;
    let waited = tokio::select! {
        waited = app.client.wait(&key, wait) => waited,
        () = app.drained() => return Ok(JobAnswer::from(&read(&app, &access, &key).await?)),
    };
    match waited {
        Ok(_) | Err(WaitError::TimedOut { .. }) => {
            Ok(JobAnswer::from(&read(&app, &access, &key).await?))
        }
        Err(err) => Err(err.into()),
    }
}

pub(crate) async fn cancel(
    State(app): State<App>,
    access: Access,
    JobPath(key): JobPath,
    BodyFields(body): BodyFields<CancelBody>,
) -> Result<JobAnswer, Problem> {
    read(&app, &access, &key).await?;
    let reason = body.reason.as_deref().unwrap_or(CANCELLED);
    let report = app.client.cancel(&key, reason).await?;
    audit::record(&app.client, &access, "cancel", &format!("job {key}"), reason).await;
    Ok(JobAnswer::from(&report))
}

pub(crate) async fn retry_now(
    State(app): State<App>,
    access: Access,
    JobPath(key): JobPath,
) -> Result<JobAnswer, Problem> {
    read(&app, &access, &key).await?;
    let report = app.client.retry_now(&key).await?;
    audit::record(&app.client, &access, "retry-now", &format!("job {key}"), "").await;
    Ok(JobAnswer::from(&report))
}
