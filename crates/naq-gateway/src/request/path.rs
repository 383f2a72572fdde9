//! [`QueuePath`], [`JobPath`], [`SchedulePath`]: the names in the path of a request. A queue is checked against
//! the caller's key.

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use naq_core::names::{JobId, JobKey, NameError, QueueName, ScheduleName};

use crate::guard::Access;
use crate::problem::Problem;

/// The queue of `/v1/queues/{queue}/...`.
#[derive(Debug)]
pub(crate) struct QueuePath(pub(crate) QueueName);

/// The job of `/v1/jobs/{queue}/{id}/...`.
#[derive(Debug)]
pub(crate) struct JobPath(pub(crate) JobKey);

fn invalid(err: &NameError) -> Problem {
    Problem::bad_request(err.to_string())
}

impl<S: Send + Sync> FromRequestParts<S> for QueuePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(queue) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|err| Problem::bad_request(err.body_text()))?;
        let queue = QueueName::new(queue).map_err(|err| invalid(&err))?;
        Access::from_request_parts(parts, state).await?.check_queue(&queue)?;
        Ok(Self(queue))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path((queue, id)) = Path::<(String, String)>::from_request_parts(parts, state)
            .await
            .map_err(|err| Problem::bad_request(err.body_text()))?;
        let queue = QueueName::new(queue).map_err(|err| invalid(&err))?;
        Access::from_request_parts(parts, state).await?.check_queue(&queue)?;
        let id = JobId::new(id).map_err(|err| invalid(&err))?;
        Ok(Self(JobKey::new(queue, id)))
    }
}

/// The schedule of `/v1/schedules/{name}`.
#[derive(Debug)]
pub(crate) struct SchedulePath(pub(crate) ScheduleName);

impl<S: Send + Sync> FromRequestParts<S> for SchedulePath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|err| Problem::bad_request(err.body_text()))?;
        ScheduleName::new(name).map(Self).map_err(|err| invalid(&err))
    }
}
