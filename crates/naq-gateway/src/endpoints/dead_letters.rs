//! The dead letters: list them, requeue one.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use naq_client::{ClientError, DeadFilter, DeadSummary};
use naq_core::ErrorKind;
use naq_core::names::{QueueName, TaskName};
use naq_core::transport::Place;
use serde::{Deserialize, Serialize};

use super::audit;
use super::job::read;
use super::job_answer::JobAnswer;
use crate::app::App;
use crate::guard::Access;
use crate::problem::Problem;
use crate::request::{BodyFields, JobPath, QueryFields, maybe_span};

/// The most letters that are read for one page.
const MAX_PAGE: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeadQuery {
    queue: Option<QueueName>,
    task: Option<TaskName>,
    error_kind: Option<ErrorKind>,
    /// `next` of the page before.
    #[serde(default)]
    from: u64,
    #[serde(default = "page")]
    limit: usize,
}

fn page() -> usize {
    100
}

/// A page of dead letters.
#[derive(Debug, Serialize)]
pub(crate) struct DeadAnswer {
    letters: Vec<DeadSummary>,
    /// `from` of the next page; `null` after the last one.
    next: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequeueBody {
    #[serde(default, deserialize_with = "maybe_span")]
    delay: Option<Duration>,
}

pub(crate) async fn list(
    State(app): State<App>,
    access: Access,
    QueryFields(query): QueryFields<DeadQuery>,
) -> Result<Json<DeadAnswer>, Problem> {
    query.queue.as_ref().map_or(Ok(()), |queue| access.check_queue(queue))?;
    let filter = DeadFilter {
        queue: query.queue,
        task: query.task,
        error_kind: query.error_kind,
        ..DeadFilter::default()
    };
    let limit = query.limit.clamp(1, MAX_PAGE);
    let page = app.client.dead_letters(&filter, query.from, limit).await?;
    let letters = page.letters.iter().map(DeadSummary::from);
    let letters = letters
        .filter(|letter| access.has_queue(&letter.queue) && access.sees_job(letter.task.as_ref()));
    Ok(Json(DeadAnswer { letters: letters.collect(), next: page.next }))
}

pub(crate) async fn requeue(
    State(app): State<App>,
    access: Access,
    JobPath(key): JobPath,
    BodyFields(body): BodyFields<RequeueBody>,
) -> Result<JobAnswer, Problem> {
    let report = read(&app, &access, &key).await?;
    let found = app.client.transport().locate(&key).await?;
    let letter = found.into_iter().find(|stored| stored.place == Place::Dead);
    let letter = letter.ok_or_else(|| ClientError::State {
        id: key.id.clone(),
        state: report.state,
        why: "it has no dead letter to requeue",
    })?;
    app.client.requeue(&letter, body.delay).await?;
    audit::record(&app.client, &access, "requeue", &format!("job {key}"), "").await;
    Ok(JobAnswer::from(&read(&app, &access, &key).await?))
}
