//! The guards in front of every route: host name, login, origin, read-only, and response headers.

mod headers;
mod host;
mod login;
mod origin;
mod request_refusal;
mod throttle;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::access::Access;
use crate::app::App;
use naq_core::{Clock, SystemClock, Timer};
use request_refusal::{RequestRefusal, single};
pub(crate) use throttle::LoginThrottle;

/// The longest body of a request, in bytes. It has room for a selection of some hundred jobs.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long a response may take to start.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The paths that need no login: they say only whether the process is alive and ready.
pub(crate) const PROBES: &[&str] = &["/healthz", "/readyz"];

/// The app, and the guarded paths that need no login.
type GuardState = (App, &'static [&'static str]);

/// Puts the guards around routes. The paths in `open` need no login.
pub(crate) fn guard(routes: Router, app: &App, open: &'static [&'static str]) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state((app.clone(), open), admit))
        .layer(middleware::from_fn(headers::add))
}

async fn admit(
    State((app, open)): State<GuardState>,
    mut request: Request,
    next: Next,
) -> Response {
    let access = match check(&app, &request, open) {
        Ok(access) => access,
        Err(refusal) => {
            let is_wrong_login = refusal.status == StatusCode::UNAUTHORIZED
                && request.headers().contains_key(header::AUTHORIZATION);
            if is_wrong_login {
                SystemClock.sleep_until(SystemClock.now() + throttle::DELAY).await;
            }
            return refusal.into_response();
        }
    };
    request.extensions_mut().insert(access);
    match tokio::time::timeout(RESPONSE_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("no response within {RESPONSE_TIMEOUT:?}: try again");
            RequestRefusal::new(StatusCode::GATEWAY_TIMEOUT, text).into_response()
        }
    }
}

/// Checks everything about a request that can be checked before its body is read.
fn check(app: &App, request: &Request, open: &[&str]) -> Result<Access, RequestRefusal> {
    let headers = request.headers();
    let uri = request.uri();
    let method = request.method();
    host::check(headers, uri, &app.options.hosts)?;
    let path = uri.path();
    if open.contains(&path) {
        return Ok(Access { who: String::new(), may_act: false });
    }
    let who = app.logins.check(headers, &app.options.logins, SystemClock.now())?;
    let access = Access { who, may_act: !app.options.read_only };
    let is_action = path == "/act" || path.starts_with("/act/");
    if !is_action {
        let reads = method == Method::GET || method == Method::HEAD;
        return match reads {
            true => origin::check_read_origin(headers, method).map(|()| access),
            false => Err(RequestRefusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address accepts only GET and HEAD requests",
            )),
        };
    }
    if method != Method::POST {
        let text = "actions must be POST requests";
        return Err(RequestRefusal::new(StatusCode::METHOD_NOT_ALLOWED, text));
    }
    origin::check_action_origin(headers, uri)?;
    if !access.may_act {
        return Err(RequestRefusal::forbidden("this dashboard is read-only"));
    }
    let length =
        single(headers, header::CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        let text = format!("the request is larger than {MAX_BODY} bytes: select fewer jobs");
        return Err(RequestRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(access)
}
