//! The guards in front of every route: host name, login, origin, read-only, and response headers.

mod headers;
mod host;
mod login;
mod origin;
mod request_refusal;
mod throttle;

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::Access;
use crate::app::App;
pub(crate) use login::Logins;
use naq_core::{Clock, SystemClock, Timer};
use request_refusal::{RequestRefusal, single};

/// The longest body of a request, in bytes. It has room for a selection of some hundred jobs.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// How long a response may take to start.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// The paths that need no login: they say only whether the process is alive and ready.
pub(crate) const PROBES: &[&str] = &["/healthz", "/readyz"];
/// The path that ends a login.
const LOGOUT: &str = "/logout";

/// The app, and the guarded paths that need no login.
type GuardState = (App, &'static [&'static str]);

/// Puts the guards around routes. The paths in `open` need no login.
pub(crate) fn guard(routes: Router, app: &App, open: &'static [&'static str]) -> Router {
    routes
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn_with_state((app.clone(), open), admit))
        .layer(middleware::from_fn(headers::add))
}

async fn admit(State((app, open)): State<GuardState>, request: Request, next: Next) -> Response {
    let (mut head, body) = request.into_parts();
    let access = match check(&app, &head, open).await {
        Ok(access) if head.uri.path() == LOGOUT => return log_out(&app, &access),
        Ok(access) => access,
        Err(refusal) => {
            let has_login = head.headers.contains_key(header::AUTHORIZATION);
            if refusal.status == StatusCode::UNAUTHORIZED && has_login && !refusal.is_logout {
                SystemClock.sleep_until(SystemClock.now() + throttle::DELAY).await;
            }
            return refusal.into_response();
        }
    };
    head.extensions.insert(access);
    let request = Request::from_parts(head, body);
    match tokio::time::timeout(RESPONSE_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = format!("no response within {RESPONSE_TIMEOUT:?}: try again");
            RequestRefusal::new(StatusCode::GATEWAY_TIMEOUT, text).into_response()
        }
    }
}

/// The answer to a visitor who has logged in at the address that ends a login.
fn log_out(app: &App, access: &Access) -> Response {
    let home = format!("{}/", app.options.prefix);
    match app.options.sso.as_ref().and_then(|proxy| proxy.logout_url.as_ref()) {
        Some(url) if access.has_login => Redirect::to(url).into_response(),
        _ => Redirect::to(&home).into_response(),
    }
}

/// Checks everything about a request that can be checked before its body is read.
async fn check(app: &App, head: &Parts, open: &[&str]) -> Result<Access, RequestRefusal> {
    let Parts { headers, uri, method, .. } = head;
    host::check(headers, uri, &app.options.hosts)?;
    let path = uri.path();
    if open.contains(&path) {
        return Ok(Access::stranger());
    }
    if path == LOGOUT {
        // Otherwise an image on another site could end a login.
        origin::check_read_origin(headers, method)?;
    }
    if path == LOGOUT && app.logins.log_out(headers) {
        return Err(RequestRefusal::logged_out());
    }
    let peer = head.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let access = app.logins.check(headers, peer).await?;
    let access = if app.options.read_only { access.read_only() } else { access };
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
    if app.options.read_only {
        return Err(RequestRefusal::forbidden("this dashboard is read-only"));
    }
    if !access.may_act() {
        return Err(RequestRefusal::forbidden(format!(
            "your login may change nothing: it has {}",
            access.words()
        )));
    }
    let length =
        single(headers, header::CONTENT_LENGTH.as_str()).and_then(|n| n.parse::<usize>().ok());
    if length.is_some_and(|length| length > MAX_BODY) {
        let text = format!("the request is larger than {MAX_BODY} bytes: select fewer jobs");
        return Err(RequestRefusal::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(access)
}
