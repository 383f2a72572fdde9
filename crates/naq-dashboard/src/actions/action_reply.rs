//! [`ActionReply`] and [`ActionError`]: the answers to an action, which the script on the page reads.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use naq_client::ClientError;
use naq_core::QueueName;
use naq_core::transport::TransportError;
use serde::Serialize;

use crate::access::{Access, Touched};
use crate::user::Role;
use crate::view::clean;

/// The action is done, or has started.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ActionReply {
    /// What happened, in one sentence.
    pub(crate) message: String,
    /// The page to go to: a path with the prefix. The browser reloads a page that is already open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// HTML from a template of the dashboard, for the form that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) html: Option<String>,
}

/// The action is not done, and why.
#[derive(Debug)]
pub(crate) struct ActionError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl ActionReply {
    pub(crate) fn message(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl ActionError {
    /// The form has an invalid value, which the visitor can correct.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, message: message.into() }
    }

    /// The visitor lacks the role, or a queue.
    pub(super) fn forbidden(access: &Access, needed: Role, touched: &Touched) -> Self {
        let queues = match touched {
            Touched::All => "all queues".to_owned(),
            Touched::These(queues) => {
                queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
            }
        };
        let has = access.words();
        let message = format!("this needs the role {needed} for {queues}; your login has {has}");
        Self { status: StatusCode::FORBIDDEN, message }
    }
}

impl IntoResponse for ActionReply {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl IntoResponse for ActionError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct ProblemJson {
            problem: String,
        }
        // The message may contain text from the form.
        (self.status, Json(ProblemJson { problem: clean(&self.message) })).into_response()
    }
}

impl From<ClientError> for ActionError {
    fn from(err: ClientError) -> Self {
        let status = match &err {
            ClientError::NoJob(_) | ClientError::NoWorker(_) => StatusCode::NOT_FOUND,
            ClientError::Transport(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        Self { status, message: err.to_string() }
    }
}

impl From<TransportError> for ActionError {
    fn from(err: TransportError) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, message: err.to_string() }
    }
}
