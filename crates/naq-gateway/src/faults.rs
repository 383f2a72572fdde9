//! Which [`Problem`] each error of the client is.

use std::time::Duration;

use axum::http::StatusCode;
use naq_client::{ClientError, EnqueueError, ScheduleError, WaitError};
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use naq_core::wire::EncodeError;

use crate::problem::Problem;

/// When a caller may try again while the broker does not answer.
const SOON: Duration = Duration::from_secs(1);
/// When a caller may try again while a queue or a store is full.
const LATER: Duration = Duration::from_secs(10);

impl From<TransportError> for Problem {
    fn from(err: TransportError) -> Self {
        let again = "send the request again";
        match &err {
            TransportError::StoreFull { .. } | TransportError::QueueFull { .. } => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                let full = Self::new(
                    status,
                    "full",
                    "The queue or the broker's store is full",
                    err.to_string(),
                );
                full.next(again).retry_after(LATER)
            }
            // The address of the broker is no business of the caller.
            TransportError::Unreachable { .. } => unavailable("the broker cannot be reached"),
            err if err.is_transient() => unavailable(err.to_string()),
            TransportError::TooLarge { .. } => too_large(err.to_string()),
            TransportError::NoQueue(queue) => not_found(format!("there is no queue {queue:?}")),
            _ => {
                tracing::error!("the broker refused a request: {err}");
                let title = "The broker refused the request";
                Self::new(StatusCode::BAD_GATEWAY, "broker-refused", title, err.to_string())
                    .next("ask the operator of the gateway to run: naq doctor")
            }
        }
    }
}

fn unavailable(detail: impl Into<String>) -> Problem {
    let title = "The broker does not answer";
    let problem =
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "broker-unavailable", title, detail);
    problem.next("send the request again").retry_after(SOON)
}

fn too_large(detail: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The job is too large", detail)
        .next("store the data elsewhere, and send its name")
}

fn not_found(detail: String) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not-found", "There is no such thing", detail)
}

fn conflict(detail: String) -> Problem {
    let title = "The job is not in a state that allows this";
    Problem::new(StatusCode::CONFLICT, "wrong-state", title, detail)
}

fn internal(detail: String) -> Problem {
    tracing::error!("a request failed: {detail}");
    let title = "The gateway could not do this";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail)
}

impl From<EnqueueError> for Problem {
    fn from(err: EnqueueError) -> Self {
        let text = err.to_string();
        match err {
            EnqueueError::Transport(err) => err.into(),
            EnqueueError::Encode(EncodeError::TooLarge { .. }) => too_large(text),
            EnqueueError::UnknownDependency(_) | EnqueueError::RecordlessDependency(_) => {
                let title = "A job of depends_on cannot be waited for";
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-dependency", title, text)
            }
            _ => Self::bad_job(text),
        }
    }
}

impl From<ClientError> for Problem {
    fn from(err: ClientError) -> Self {
        let text = err.to_string();
        match err {
            ClientError::Transport(err) => err.into(),
            ClientError::NoJob(_) => not_found(text),
            ClientError::State { state: JobState::Dead, .. } => {
                conflict(text).next("requeue its dead letter")
            }
            ClientError::State { .. } | ClientError::Unique { .. } => conflict(text),
            _ => internal(text),
        }
    }
}

impl From<WaitError> for Problem {
    fn from(err: WaitError) -> Self {
        match err {
            WaitError::Client(err) => err.into(),
            WaitError::NoRecord { .. } => not_found(err.to_string()),
            _ => internal(err.to_string()),
        }
    }
}

impl From<ScheduleError> for Problem {
    fn from(err: ScheduleError) -> Self {
        let text = err.to_string();
        match err {
            ScheduleError::Transport(err) => err.into(),
            ScheduleError::Job(err) => err.into(),
            ScheduleError::NotFound(_) => not_found(text),
            ScheduleError::Contended(_) => unavailable(text),
            ScheduleError::Unreadable { .. } => internal(text),
            _ => Self::bad_request(text),
        }
    }
}
