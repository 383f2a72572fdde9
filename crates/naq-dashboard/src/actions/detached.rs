//! [`run_detached`]: an action runs to its end also when its visitor has left.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::ActionError;
use crate::security::MAX_BODY;

/// Runs the action in its own tokio task, so that it is done and written to the audit log even if the
/// visitor closes the page. A request that was not received whole starts nothing.
pub(super) async fn run_detached(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        let message = format!("the request was cut off, or is larger than {MAX_BODY} bytes");
        return ActionError { status: StatusCode::PAYLOAD_TOO_LARGE, message }.into_response();
    };
    let action = tokio::spawn(next.run(Request::from_parts(parts, Body::from(body))));
    action.await.unwrap_or_else(|_| {
        let message =
            "the action failed halfway: check what it has done; the log says why".to_owned();
        ActionError { status: StatusCode::INTERNAL_SERVER_ERROR, message }.into_response()
    })
}
