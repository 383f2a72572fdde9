//! What pages are dressed in, embedded: one stylesheet, one script, one icon.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::app::App;

/// One file a concern, sent as one.
const STYLE: &str = concat!(include_str!("../assets/css/base.css"), "\n");
/// Each a function of its own, sent as one.
const SCRIPT: &str = concat!(include_str!("../assets/js/live.js"), "\n");
const ICON: &str = include_str!("../assets/icon.svg");

/// Changes when an asset does, so that a browser may keep what it has: part of their links.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/assets/naq.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/naq.js", get(|| asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
}

async fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")], body)
}
