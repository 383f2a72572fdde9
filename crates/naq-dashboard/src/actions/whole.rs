//! [`to_the_end`]: an action is not broken off by whoever asked for it.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ActionError;
use crate::security::MAX_BODY;

/// Does the action in a task of its own: it goes on to the end, record included, when the visitor
/// has gone or no longer waits. What was not received whole is not begun.
pub(super) async fn to_the_end(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let message = format!("the request broke off, or is larger than {MAX_BODY} bytes");
        return ActionError { status: StatusCode::PAYLOAD_TOO_LARGE, message }.into_response();
    };
    let action = tokio::spawn(next.run(Request::from_parts(parts, Body::from(body))));
    action.await.unwrap_or_else(|_| {
        let message = "the action broke off: look how far it came; the log says why".to_owned();
        ActionError { status: StatusCode::INTERNAL_SERVER_ERROR, message }.into_response()
    })
}
