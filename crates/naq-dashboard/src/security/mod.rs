//! Who gets in, and what a browser may do with what it gets.

mod headers;
mod host;
mod login;
mod refusal;
mod site;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::access::Access;
use crate::app::App;
use refusal::{Refusal, only};

pub(crate) use login::LONGEST;

/// The longest body of a request, in bytes: a selection of some hundred jobs.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long an answer may take to begin.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is asked for without a login, where it is served: nothing but whether we are there.
pub(crate) const PROBES: &[&str] = &["/healthz", "/readyz"];

/// The app, and the paths that need no login.
type Gate = (App, &'static [&'static str]);

/// Puts the guards around all routes; `open` are the paths among them that need no login.
pub(crate) fn guard(routes: Router, app: &App, open: &'static [&'static str]) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state((app.clone(), open), admit))
        .layer(middleware::from_fn(headers::add))
}

async fn admit(State((app, open)): State<Gate>, mut request: Request, next: Next) -> Response {
    let access = match check(&app, &request, open) {
        Ok(access) => access,
        Err(refusal) => return refusal.into_response(),
    };
    request.extensions_mut().insert(access);
    match tokio::time::timeout(PATIENCE, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("no answer within {PATIENCE:?}; ask again");
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, text).into_response()
        }
    }
}

/// All that can be said of a request before it is looked into.
fn check(app: &App, request: &Request, open: &[&str]) -> Result<Access, Refusal> {
    let (headers, uri, method) = (request.headers(), request.uri(), request.method());
    host::check(headers, uri, &app.options.hosts)?;
    let path = uri.path();
    if open.contains(&path) {
        return Ok(Access { who: String::new(), may_act: false });
    }
    let who = login::check(headers, &app.options.logins)?;
    let access = Access { who, may_act: !app.options.read_only };
    let is_action = path == "/act" || path.starts_with("/act/");
    if !is_action {
        let reads = method == Method::GET || method == Method::HEAD;
        return match reads {
            true => site::of_look(headers, method).map(|()| access),
            false => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this can only be read")),
        };
    }
    if method != Method::POST {
        let text = "actions are POSTs: a link or a reload does nothing";
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, text));
    }
    site::of_action(headers, uri)?;
    if !access.may_act {
        return Err(Refusal::forbidden("this dashboard is read-only"));
    }
    let length =
        only(headers, header::CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        let text = format!("the request is larger than {MAX_BODY} bytes: select fewer at once");
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(access)
}
