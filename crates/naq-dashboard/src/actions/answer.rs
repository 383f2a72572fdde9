//! [`Answer`]: what the script on the page is told of an action.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::view::clean;

/// An action is done, or begun.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Answer {
    /// What happened, in one sentence.
    pub(crate) message: String,
    /// Where to go now: a path with the prefix. The page is loaded again when it is the same one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<String>,
    /// HTML, rendered by a template here, for the element that asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) html: Option<String>,
}

/// An action that is not done, and why.
#[derive(Debug)]
pub(crate) struct ActionError {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Answer {
    pub(crate) fn said(message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::default() }
    }
}

impl ActionError {
    /// What was asked for makes no sense: the visitor can mend it.
    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, message: message.into() }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

impl IntoResponse for ActionError {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Problem {
            problem: String,
        }
        // It may repeat what was asked for.
        (self.status, Json(Problem { problem: clean(&self.message) })).into_response()
    }
}

impl From<naq_client::ClientError> for ActionError {
    fn from(err: naq_client::ClientError) -> Self {
        let status = match &err {
            naq_client::ClientError::NoJob(_) | naq_client::ClientError::NoWorker(_) => {
                StatusCode::NOT_FOUND
            }
            naq_client::ClientError::Transport(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::CONFLICT,
        };
        Self { status, message: err.to_string() }
    }
}

impl From<naq_core::transport::TransportError> for ActionError {
    fn from(err: naq_core::transport::TransportError) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, message: err.to_string() }
    }
}
