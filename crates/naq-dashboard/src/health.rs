//! Whether this process is there, and whether it sees the broker; for whoever restarts or routes.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::app::App;

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

async fn ready(State(app): State<App>) -> (StatusCode, &'static str) {
    let snapshot = app.snapshot();
    match snapshot.read_at.is_some() && snapshot.problem.is_none() {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "the broker cannot be read\n"),
    }
}
