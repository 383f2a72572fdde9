//! One stream a tab: the regions of its page that have changed, about once a second.
//!
//! A tab takes the newest snapshot when it is ready for one: nothing waits for a slow reader.

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::access::Access;
use crate::app::App;
use crate::pages;
use crate::renders::regions;

/// How many tabs may be open.
#[derive(Debug)]
pub(crate) struct Tabs(Arc<Semaphore>);

impl Tabs {
    pub(crate) fn new(max: usize) -> Self {
        Self(Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS))))
    }
}

#[derive(Debug, Deserialize)]
struct Ask {
    /// The page that the tab shows: path and query, with the prefix.
    page: String,
}

pub(crate) fn routes() -> Router<App> {
    Router::new().route("/live", get(live))
}

async fn live(
    State(app): State<App>,
    Extension(access): Extension<Access>,
    Query(ask): Query<Ask>,
) -> Response {
    let Ok(page) = ask.page.parse::<Uri>() else {
        return (StatusCode::BAD_REQUEST, "no such page").into_response();
    };
    let Ok(permit) = app.tabs.0.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many tabs are open").into_response();
    };
    let alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(events(app, access, page, permit)).keep_alive(alive).into_response()
}

/// What a tab has got so far.
struct Tab {
    app: App,
    access: Access,
    page: Uri,
    sent: HashMap<String, String>,
    snapshots: tokio::sync::watch::Receiver<Arc<crate::snapshot::Snapshot>>,
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
    let tab = Tab { app, access, page, sent: HashMap::new(), snapshots, _permit: permit };
    stream::unfold(tab, |mut tab| async move {
        loop {
            tab.snapshots.changed().await.ok()?;
            if let Some(event) = tab.next().await {
                return Some((Ok(event), tab));
            }
        }
    })
}

impl Tab {
    /// The regions that the tab does not have as they are now; none when nothing has changed.
    async fn next(&mut self) -> Option<Event> {
        let version = self.snapshots.borrow_and_update().version;
        let (app, access, page) = (&self.app, &self.access, &self.page);
        let key = format!("{}{page}", if access.may_act { "+" } else { "-" });
        let render = || async move {
            match pages::render(app, access.clone(), page, true).await {
                Ok(html) => regions(&html),
                // The page stays as it is, but for what is around it.
                Err(err) => regions(err.html()),
            }
        };
        let now = app.renders.get(&key, version, render).await;
        let changed: serde_json::Map<_, _> = now
            .iter()
            .filter(|(name, html)| self.sent.get(name) != Some(html))
            .map(|(name, html)| (name.clone(), serde_json::Value::from(html.as_str())))
            .collect();
        self.sent = now.iter().cloned().collect();
        (!changed.is_empty()).then(|| {
            let body = serde_json::Value::Object(changed).to_string();
            Event::default().event("live").data(body)
        })
    }
}
