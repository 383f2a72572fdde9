//! Who gets in, and what a browser may do with what it gets.

mod headers;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::access::Access;
use crate::app::App;

/// Puts the guards around all routes.
pub(crate) fn guard(routes: Router, app: &App) -> Router {
    routes
        .layer(middleware::from_fn_with_state(app.clone(), admit))
        .layer(middleware::from_fn(headers::add))
}

async fn admit(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let access = Access { who: "local".into(), may_act: !app.options.read_only };
    request.extensions_mut().insert(access);
    next.run(request).await
}
