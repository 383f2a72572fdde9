//! The live streams: about once a second, each tab gets the regions of its page that have changed.
//!
//! A tab that reads slowly skips snapshots: its next event is from the newest one. Other tabs do not
//! wait for it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, http::Uri};
use futures_util::{Stream, stream};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, watch};

use crate::access::Access;
use crate::app::App;
use crate::pages;
use crate::render_cache::regions;
use crate::snapshot::Snapshot;

#[derive(Debug, Deserialize)]
struct LiveQuery {
    /// The page that the tab shows: path and query, with the prefix.
    page: String,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/live", get(live))
}

async fn live(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Query(query): Query<LiveQuery>,
) -> Response {
    let Ok(page) = query.page.parse::<Uri>() else {
        return (StatusCode::BAD_REQUEST, "there is no such page").into_response();
    };
    let Some(permit) = app.tab_limit.open() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many tabs are open").into_response();
    };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(events(app, access, page, permit)).keep_alive(keep_alive).into_response()
}

/// One open tab, and the regions that were sent to it.
struct LiveTab {
    app: App,
    access: Access,
    page: Uri,
    sent: HashMap<String, String>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    _permit: OwnedSemaphorePermit,
}

fn events(
    app: App,
    access: Access,
    page: Uri,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut snapshots = app.snapshots.clone();
    snapshots.mark_changed();
    let tab = LiveTab { app, access, page, sent: HashMap::new(), snapshots, _permit: permit };
    stream::unfold(tab, |mut tab| async move {
        loop {
            tab.snapshots.changed().await.ok()?;
            if let Some(event) = tab.next().await {
                return Some((Ok(event), tab));
            }
        }
    })
}

impl LiveTab {
    /// The regions that differ from what the tab has; none if no region differs.
    async fn next(&mut self) -> Option<Event> {
        let version = self.snapshots.borrow_and_update().version;
        let Self { app, access, page, .. } = &*self;
        let key = format!("{}{page}", access.view_key());
        let render = || async move {
            match pages::render(app, access.clone(), page, true).await {
                Ok(html) => regions(&html),
                // The tab keeps the content that it has; the layout's banner shows the problem.
                Err(err) => regions(err.html()),
            }
        };
        let current = app.render_cache.get(&key, version, render).await;
        let changed: serde_json::Map<_, _> = current
            .iter()
            .filter(|(name, html)| self.sent.get(name) != Some(html))
            .map(|(name, html)| (name.clone(), serde_json::Value::from(html.as_str())))
            .collect();
        self.sent = current.iter().cloned().collect();
        (!changed.is_empty()).then(|| {
            let body = serde_json::Value::Object(changed).to_string();
            Event::default().event("live").data(body)
        })
    }
}
