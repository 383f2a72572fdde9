//! The description of all calls, as OpenAPI 3.1.

use axum::http::header;
use axum::response::IntoResponse;

/// The document. A test compares it with the routes, and scripts/test-gateway lints it and checks every
/// kind of answer against it.
pub(crate) const DOCUMENT: &str = include_str!("../openapi.json");

pub(crate) async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DOCUMENT)
}
