//! [`guarded`]: one route behind the guards.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use naq_core::metrics::{GATEWAY_REQUEST_DURATION, GATEWAY_REQUESTS};
use naq_core::{Clock, SystemClock};

use super::{Access, Right, local, single};
use crate::app::App;
use crate::problem::Problem;

/// The paths that need no key: they say only whether the process is alive and ready.
const PROBES: [&str; 2] = ["/healthz", "/readyz"];
/// How long a caller may take to send the body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// The route of requests to the own routes of an application, in the metrics.
const OTHER: &str = "other";

/// The route that is guarded.
#[derive(Debug, Clone, Copy)]
struct Guarded {
    /// Its path with placeholders, for the metrics.
    path: &'static str,
    /// `None`: `Operate`, and nothing for the probes.
    right: Option<Right>,
}

/// Puts the guards in front of one route.
pub(crate) fn guarded(
    app: &App,
    path: &'static str,
    right: Right,
    route: MethodRouter<App>,
) -> MethodRouter<App, Infallible> {
    let guarded = Guarded { path, right: Some(right) };
    route.layer(middleware::from_fn_with_state((app.clone(), guarded), admit))
}

/// Puts the guards around routes of an application.
pub(crate) fn around(routes: Router, app: &App) -> Router {
    let guarded = Guarded { path: OTHER, right: None };
    routes.layer(middleware::from_fn_with_state((app.clone(), guarded), admit))
}

async fn admit(
    State((app, guarded)): State<(App, Guarded)>,
    request: Request,
    next: Next,
) -> Response {
    let began = SystemClock.now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let right = guarded.right.unwrap_or(match PROBES.contains(&path.as_str()) {
        true => Right::None,
        false => Right::Operate,
    });
    let (who, mut response) = match check(&app, request.headers(), right) {
        Err(problem) => ("-".to_owned(), problem.into_response()),
        Ok(access) => {
            let who = access.who().to_owned();
            (who, run(&app, request, access, next).await)
        }
    };
    let status = response.status();
    let took = SystemClock.now().since(began);
    if !PROBES.contains(&path.as_str()) {
        let took_ms = took.as_millis();
        tracing::info!(%method, path, status = status.as_u16(), who, took_ms, "request");
    }
    GATEWAY_REQUESTS.counter(&[guarded.path, status.as_str()]).increment(1);
    GATEWAY_REQUEST_DURATION.histogram(&[guarded.path]).record(took.as_secs_f64());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Checks everything about a request that can be checked before its body is read.
fn check(app: &App, headers: &HeaderMap, right: Right) -> Result<Access, Problem> {
    let Some(keys) = app.keys() else {
        return local::check(headers).map(|()| Access::default());
    };
    if right == Right::None {
        return Ok(Access::default());
    }
    let secret = single(headers, header::AUTHORIZATION)
        .and_then(|given| given.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    let key = secret.and_then(|secret| keys.of_secret(secret)).ok_or_else(|| {
        let detail = match secret {
            Some(_) => "the gateway does not know the key of this request",
            None => "the request has no key",
        };
        let title = "The request needs a key";
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", title, detail)
            .next("send the header `Authorization: Bearer KEY`")
    })?;
    let access = Access::of(key);
    if let Some((name, rate)) = access.limited() {
        app.rates.admit(name, rate, SystemClock.now()).map_err(|after| {
            let detail = format!("the key {name} may send {rate} requests and jobs in a second");
            let title = "The key has sent too much";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", title, detail)
                .next("wait for the time of Retry-After, and send the request again")
                .retry_after(after)
        })?;
    }
    match access.may(right) {
        true => Ok(access),
        false => Err(Problem::forbidden("this call needs a key with may=operate")),
    }
}

/// Runs the request. A call that changes something runs to its end also when its caller has left.
async fn run(app: &App, mut request: Request, access: Access, next: Next) -> Response {
    request.extensions_mut().insert(access);
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let max = app.options.max_body;
    let body = match tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, max)).await {
        Ok(Ok(body)) => body,
        Ok(Err(_)) => {
            let detail = format!("the body was cut off, or is larger than {max} bytes");
            let title = "The body is too large";
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", title, detail)
                .next("send fewer jobs in one request")
                .into_response();
        }
        Err(_) => {
            let detail = format!("the body did not arrive within {BODY_TIMEOUT:?}");
            let title = "The body came too slowly";
            return Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout", title, detail)
                .next("send the request again")
                .into_response();
        }
    };
    let call = tokio::spawn(next.run(Request::from_parts(parts, Body::from(body))));
    call.await.unwrap_or_else(|_| {
        let detail = "the call failed halfway: check what it has done; the gateway's log says why";
        let title = "The gateway could not do this";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", title, detail).into_response()
    })
}
