//! The pages: one file each, with its template in `templates/`.
//!
//! A page is a function from a [`PageRequest`] to HTML. The parts that change while the page is open
//! are live regions, `<div data-live="name"><!--live name-->...<!--/live--></div>`: they are rendered
//! again for each snapshot and sent to the tabs that show the page.

mod audit;
mod batch_form;
mod batches;
mod broker;
mod dead;
mod failure;
mod failures;
mod find;
mod hold_row;
mod job;
mod jobs;
mod layout;
mod overview;
mod page_error;
mod page_filter;
mod queue;
mod queue_depth;
mod queues;
mod retries;
mod retry_help;
mod run_row;
mod schedules;
mod simulator;
mod worker;
mod workers;
mod workflow;
mod workflows;

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::Uri;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::access::Access;
use crate::app::App;
use crate::links::decode;
use crate::page_request::PageRequest;
use crate::view::clean;

pub(crate) use layout::{NavTab, PageContent};
pub(crate) use page_error::PageError;

pub(crate) fn routes() -> Router<App> {
    Router::new().fallback(get(page))
}

async fn page(State(app): State<App>, Extension(access): Extension<Access>, uri: Uri) -> Response {
    // A nested router gets the path without the prefix.
    match render(&app, access, &uri, false).await {
        Ok(html) => Html(html).into_response(),
        Err(err) => err.into_response(),
    }
}

/// The whole page at `uri`, with or without the prefix.
pub(crate) async fn render(
    app: &App,
    access: Access,
    uri: &Uri,
    live: bool,
) -> Result<String, PageError> {
    let path = uri.path();
    let path = path.strip_prefix(app.options.prefix.as_str()).unwrap_or(path);
    let path = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let query: BTreeMap<_, _> = pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        // The link may come from another site. A pattern stays as it is, because it is compared with
        // the patterns of error groups; pages clean it before they show it.
        .map(|(name, value)| match name == "pattern" {
            true => (name, value),
            false => (name, clean(&value)),
        })
        .collect();
    let request = PageRequest { app, snapshot: app.snapshot(), access, path, query, live };
    match content(&request).await {
        Ok(content) => Ok(layout::render(&request, content)?),
        // The layout around the error has the navigation and the state of the broker.
        Err(err) => Err(err.in_layout(&request)),
    }
}

/// One line for each page.
async fn content(request: &PageRequest<'_>) -> Result<PageContent, PageError> {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => overview::render(request),
        ["queues"] => queues::render(request),
        ["queues", name] => queue::render(request, name),
        ["workers"] => workers::render(request),
        ["workers", id] => worker::render(request, id),
        ["find"] => find::render(request).await,
        ["broker"] => broker::render(request),
        ["audit"] => audit::render(request).await,
        ["simulator"] => simulator::render(request),
        ["jobs"] => jobs::render(request).await,
        ["schedules"] => schedules::render(request).await,
        ["workflows"] => workflows::render(request).await,
        ["workflows", id] => workflow::render(request, id).await,
        ["jobs", queue, id] => job::render(request, queue, id).await,
        ["retries"] => retries::render(request).await,
        ["helping"] => retry_help::render(request),
        ["failures"] => failures::render(request),
        ["failures", id] => failure::render(request, id),
        ["dead"] => dead::render(request).await,
        ["batches"] => batches::render(request),
        _ => Err(PageError::not_found(format!("there is no page /{}", path.join("/")))),
    }
}
