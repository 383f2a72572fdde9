//! All routes of the gateway, in one table. A test compares it with the OpenAPI document.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::routing::{MethodRouter, delete, get, post, put};

use crate::app::App;
use crate::endpoints as call;
use crate::guard::{Right, guarded};
use crate::problem::Problem;

/// One call.
struct Route {
    method: Method,
    path: &'static str,
    right: Right,
    handler: MethodRouter<App>,
}

/// The calls.
#[rustfmt::skip]
fn all() -> Vec<Route> {
    let route = |method, path, right, handler| Route { method, path, right, handler };
    vec![
        route(Method::POST, "/v1/queues/{queue}/jobs", Right::Enqueue, post(call::enqueue)),
        route(Method::GET, "/v1/jobs/{queue}/{id}", Right::Enqueue, get(call::show)),
        route(Method::POST, "/v1/jobs/{queue}/{id}/cancel", Right::Enqueue, post(call::cancel)),
        route(Method::POST, "/v1/jobs/{queue}/{id}/retry-now", Right::Operate, post(call::retry_now)),
        route(Method::GET, "/v1/dead-letters", Right::Operate, get(call::dead_letters)),
        route(Method::POST, "/v1/dead-letters/{queue}/{id}/requeue", Right::Operate, post(call::requeue)),
        route(Method::GET, "/v1/queues", Right::Operate, get(call::queues)),
        route(Method::GET, "/v1/workers", Right::Operate, get(call::workers)),
        route(Method::GET, "/v1/schedules", Right::Operate, get(call::schedules)),
        route(Method::PUT, "/v1/schedules/{name}", Right::Operate, put(call::put_schedule)),
        route(Method::DELETE, "/v1/schedules/{name}", Right::Operate, delete(call::remove_schedule)),
        route(Method::GET, "/v1/openapi.json", Right::None, get(call::openapi)),
    ]
}

/// The router of all calls.
pub(crate) fn router(app: &App) -> Router {
    let routes = all().into_iter().fold(Router::new(), |router, route| {
        debug_assert!(route.path.starts_with("/v1/"), "{} {}", route.method, route.path);
        router.route(route.path, guarded(app, route.path, route.right, route.handler))
    });
    routes
        .route("/v1/{*path}", axum::routing::any(async || no_route()))
        .method_not_allowed_fallback(async || wrong_method())
        // The guard has read the body, up to `max_body`. axum's own limit is 2 MB.
        .layer(DefaultBodyLimit::disable())
        .with_state(app.clone())
}

fn no_route() -> Problem {
    let title = "There is no such call";
    let detail = "the path names no call of the gateway";
    Problem::new(StatusCode::NOT_FOUND, "no-call", title, detail).next("see /v1/openapi.json")
}

fn wrong_method() -> Problem {
    let title = "The call does not know this method";
    let detail = "the path has a call, with another method";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no-call", title, detail)
        .next("see /v1/openapi.json")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_document_has_each_route_and_no_other() {
        let document: Value = serde_json::from_str(include_str!("openapi.json")).expect("JSON");
        let paths = document["paths"].as_object().expect("paths");
        let described: BTreeSet<String> = paths
            .iter()
            .flat_map(|(path, item)| {
                let methods = item.as_object().expect("an item").keys();
                let methods = methods.filter(|name| *name != "parameters");
                methods.map(move |method| format!("{} {path}", method.to_uppercase()))
            })
            .collect();
        let routed: BTreeSet<String> =
            all().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        assert_eq!(described, routed);
        for route in all() {
            let item = &paths[route.path];
            let operation = &item[route.method.as_str().to_lowercase()];
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            assert_eq!(open, route.right == Right::None, "{}", route.path);
            let text = operation["description"].as_str().unwrap_or_default();
            let operate = text.contains("may=operate");
            assert_eq!(operate, route.right == Right::Operate, "{}: {text}", route.path);
        }
    }

    #[test]
    fn the_document_names_every_option_of_a_job() {
        let document: Value = serde_json::from_str(include_str!("openapi.json")).expect("JSON");
        let job = &document["components"]["schemas"]["JobOrder"];
        let named: BTreeSet<&str> =
            job["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
        let source = include_str!("request/job_order.rs");
        let fields = source.split_once("pub(crate) struct JobOrder {").expect("a struct").1;
        let fields = fields.split_once("\n}").expect("its end").0;
        let fields: BTreeSet<&str> = fields
            .lines()
            .map(str::trim)
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.trim_start_matches("pub(crate) ").split_once(':'))
            .map(|(name, _)| if name == "delay" { "in" } else { name })
            .collect();
        assert_eq!(named, fields);
    }
}
