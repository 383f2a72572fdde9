//! [`LateRoutes`]: what a server answers before it can do its work, and then its routes.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

/// The routes of a server that already listens, while its broker is waited for. It is one server from the
/// first request on: with a second one on the same port, a connection that the first has taken when it ends
/// would get no answer.
#[derive(Debug, Clone)]
pub(crate) struct LateRoutes {
    ready: Arc<OnceLock<Router>>,
    /// The answer to everything but `/healthz` until then.
    waiting: fn() -> Response,
}

impl LateRoutes {
    pub(crate) fn new(waiting: fn() -> Response) -> Self {
        Self { ready: Arc::default(), waiting }
    }

    /// From now on these routes answer.
    pub(crate) fn set(&self, routes: Router) {
        // Only the first call counts.
        self.ready.get_or_init(|| routes);
    }

    /// What the server serves.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

async fn answer(State(late): State<LateRoutes>, request: Request) -> Response {
    match late.ready.get() {
        Some(routes) => match TowerToHyperService::new(routes.clone()).call(request).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        },
        None if request.uri().path() == "/healthz" => "alive\n".into_response(),
        None => (late.waiting)(),
    }
}
