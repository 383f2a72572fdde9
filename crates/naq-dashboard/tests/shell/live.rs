//! Live streams: what a tab gets, and what it costs.

use std::sync::Arc;

use axum::body::{BodyDataStream, Bytes};
use axum::http::StatusCode;
use futures_util::{FutureExt, StreamExt};
use naq_core::transport::Transport;
use naq_testing::eventually;
use serde_json::Value;
use std::time::Duration;

use crate::test_dashboard::TestDashboard;

const SOON: Duration = Duration::from_secs(30);

pub(crate) struct Tab(BodyDataStream);

impl Tab {
    pub(crate) async fn open(dashboard: &TestDashboard, path: &str) -> Self {
        let answer = dashboard.ask(&format!("/live?page={path}")).await;
        assert_eq!(answer.status(), StatusCode::OK);
        Self(answer.into_body().into_data_stream())
    }

    fn read(bytes: &Bytes) -> Value {
        let text = std::str::from_utf8(bytes).unwrap();
        let data = text.lines().find_map(|line| line.strip_prefix("data: "));
        serde_json::from_str(data.unwrap_or_else(|| panic!("no data in {text:?}"))).unwrap()
    }

    /// The next event: regions by name.
    async fn next(&mut self) -> Value {
        loop {
            let bytes = tokio::time::timeout(SOON, self.0.next()).await.expect("in time");
            let bytes = bytes.expect("a stream without end").expect("bytes");
            if bytes.starts_with(b"event: live") {
                return Self::read(&bytes);
            }
        }
    }

    /// Waits until the region contains `wanted`.
    pub(crate) async fn next_with(&mut self, name: &str, wanted: &str) -> String {
        self.until(name, |html| html.contains(wanted)).await
    }

    /// Waits until the region no longer contains `unwanted`.
    pub(crate) async fn next_without(&mut self, name: &str, unwanted: &str) -> String {
        self.until(name, |html| !html.contains(unwanted)).await
    }

    async fn until(&mut self, name: &str, matches: impl Fn(&str) -> bool) -> String {
        loop {
            match self.next().await[name].as_str() {
                Some(html) if matches(html) => return html.to_owned(),
                _ => {}
            }
        }
    }

    /// The next event, if it is already there.
    fn ready(&mut self) -> Option<Value> {
        let bytes = self.0.next().now_or_never()??.expect("bytes");
        Some(Self::read(&bytes))
    }
}

#[tokio::test]
async fn a_tab_gets_the_regions_that_change_and_no_others() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.page("/broker", &["in-memory"]).await;
    let mut tab = Tab::open(&dashboard, "/queues").await;
    let first = tab.next().await;
    assert!(first["queues"].as_str().unwrap().contains("There are no queues yet"));
    assert!(first["banner"].is_string(), "the first event has all regions");
    dashboard.enqueue("mail", 2).await;
    let then = tab.next().await;
    assert!(then["queues"].as_str().unwrap().contains("data-value=\"2\""), "{then}");
    assert!(then.get("banner").is_none(), "an unchanged region is not sent: {then}");
}

#[tokio::test]
async fn a_slow_tab_has_no_queue_of_events() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 1).await;
    dashboard.page("/queues", &["data-value=\"1\""]).await;
    let mut slow = Tab::open(&dashboard, "/queues").await;
    slow.next().await;
    for n in 2..40 {
        dashboard.enqueue("mail", 1).await;
        dashboard.page("/queues", &[&format!("data-n=\"pending\" data-value=\"{n}\"")]).await;
    }
    // The tab gets only the newest state.
    let html = slow.next().await["queues"].as_str().unwrap().to_owned();
    assert!(html.contains("data-n=\"pending\" data-value=\"39\""), "{html}");
    let more = slow.ready();
    assert!(more.is_none(), "there is no other event: {more:?}");
}

#[tokio::test]
async fn a_tab_over_the_limit_is_refused_until_another_tab_closes() {
    let dashboard = TestDashboard::open(|options| options.max_tabs = 2);
    let first = Tab::open(&dashboard, "/").await;
    let _second = Tab::open(&dashboard, "/").await;
    let refused = dashboard.ask("/live?page=/").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    drop(first);
    Tab::open(&dashboard, "/").await;
}

#[tokio::test]
async fn a_dropped_dashboard_stops_reading_the_broker() {
    let dashboard = TestDashboard::open(|_| {});
    let transport: Arc<dyn Transport> = dashboard.faulty.clone();
    let weak = Arc::downgrade(&transport);
    drop(transport);
    let tab = Tab::open(&dashboard, "/").await;
    drop(tab);
    drop(dashboard);
    eventually("the transport is dropped", SOON, async || weak.upgrade().is_none().then_some(()))
        .await;
}
