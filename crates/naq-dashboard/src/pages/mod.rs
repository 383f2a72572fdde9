//! The pages: one file each, with its template in `templates/`.
//!
//! A page is a function from a [`Scene`] to HTML. What changes by itself stands in a region,
//! `<div data-live="name"><!--live name-->...<!--/live--></div>`: it is rendered again with each
//! snapshot and sent to the tabs that show the page.

mod audit;
mod batch_form;
mod batches;
mod broker;
mod choice;
mod dead;
mod depth;
mod error;
mod failure;
mod failures;
mod helping;
mod job;
mod jobs;
mod layout;
mod overview;
mod queue;
mod queues;
mod retries;
mod schedules;
mod simulator;
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
use crate::scene::{Scene, decode};
use crate::view::clean;

pub(crate) use error::PageError;
pub(crate) use layout::{Content, Tab};

pub(crate) fn routes() -> Router<App> {
    Router::new().fallback(get(page))
}

async fn page(State(app): State<App>, Extension(access): Extension<Access>, uri: Uri) -> Response {
    // Nested routers see the path without the prefix; so does this.
    match render(&app, access, &uri, false).await {
        Ok(html) => Html(html).into_response(),
        Err(err) => err.into_response(),
    }
}

/// The whole page at `uri`, whose path may begin with the prefix.
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
        // Somebody else may have written the link. A pattern is compared, and shown cleaned.
        .map(|(name, value)| match name == "pattern" {
            true => (name, value),
            false => (name, clean(&value)),
        })
        .collect();
    let scene = Scene { app, snapshot: app.snapshot(), access, path, query, live };
    match content(&scene).await {
        Ok(content) => layout::render(&scene, content),
        // The rest of the page still helps to find the way, and says how the broker is.
        Err(err) => Err(err.in_layout(&scene)),
    }
}

/// One line a page.
async fn content(scene: &Scene<'_>) -> Result<Content, PageError> {
    let path: Vec<&str> = scene.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        [] => overview::render(scene),
        ["queues"] => queues::render(scene),
        ["queues", name] => queue::render(scene, name),
        ["workers"] => workers::render(scene),
        ["broker"] => broker::render(scene),
        ["audit"] => audit::render(scene).await,
        ["simulator"] => simulator::render(scene),
        ["jobs"] => jobs::render(scene).await,
        ["schedules"] => schedules::render(scene).await,
        ["workflows"] => workflows::render(scene).await,
        ["workflows", id] => workflow::render(scene, id).await,
        ["jobs", queue, id] => job::render(scene, queue, id).await,
        ["retries"] => retries::render(scene).await,
        ["helping"] => helping::render(scene),
        ["failures"] => failures::render(scene),
        ["failures", id] => failure::render(scene, id),
        ["dead"] => dead::render(scene).await,
        ["batches"] => batches::render(scene),
        _ => Err(PageError::no_such(format!("there is no page /{}", path.join("/")))),
    }
}
