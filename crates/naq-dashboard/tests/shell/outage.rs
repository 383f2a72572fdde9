//! The broker goes away under an open page, and comes back.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use naq_client::Client;
use naq_core::testing::{Fault, FaultPlan, FaultyTransport, Op};
use naq_dashboard::{Dashboard, Options, OptionsError};
use naq_memory::MemoryTransport;
use naq_testing::eventually;

use crate::live::Tab;
use crate::test_dashboard::TestDashboard;

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_page_is_marked_outdated_while_the_broker_is_away_and_recovers_by_itself() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.enqueue("mail", 3).await;
    let fresh = dashboard.page("/", &["data-n=\"pending\" data-value=\"3\""]).await;
    assert!(!fresh.contains("data-stale"));
    dashboard.faulty.cut();
    let stale = dashboard.page("/", &["data-stale", "Out of date since"]).await;
    assert!(
        stale.contains("data-n=\"pending\" data-value=\"3\""),
        "the last numbers stay: {stale}"
    );
    for path in ["/queues", "/queues/mail", "/workers", "/broker"] {
        let (status, html) = dashboard.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(html.contains("data-stale"), "{path}");
    }
    let (status, html) = dashboard.get("/audit").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "a page that needs the broker shows an error");
    assert!(html.contains("<nav") && html.contains("the connection is cut"), "{html}");
    assert!(html.contains("data-failed"), "and reloads by itself: {html}");
    let refused = dashboard.act("queue/pause", &[("queue", "mail")]).await;
    assert!(refused.unwrap_err().contains("the connection is cut"));
    dashboard.faulty.mend();
    dashboard.enqueue("mail", 1).await;
    let html = dashboard.page("/", &["data-n=\"pending\" data-value=\"4\""]).await;
    assert!(!html.contains("data-stale"));
}

#[tokio::test]
async fn the_dashboard_waits_for_a_broker_that_is_away_from_the_start() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.faulty.cut();
    // The dashboard may have read the broker once before the cut.
    dashboard.page("/", &["data-stale"]).await;
    let (status, _) = dashboard.get("/queues/mail").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    dashboard.faulty.mend();
    dashboard.enqueue("mail", 1).await;
    dashboard.page("/queues/mail", &["data-n=\"pending\" data-value=\"1\""]).await;
}

#[tokio::test]
async fn a_tab_with_an_error_page_still_gets_the_banner_about_the_broker() {
    let dashboard = TestDashboard::open(|_| {});
    dashboard.page("/broker", &["in-memory"]).await;
    let (_, html) = dashboard.get("/queues/nosuch").await;
    assert!(
        !html.contains("data-failed"),
        "a reload when the broker is back would not help: {html}"
    );
    let mut tab = Tab::open(&dashboard, "/queues/nosuch").await;
    dashboard.faulty.cut();
    let banner = tab.next_with("banner", "data-stale").await;
    assert!(banner.contains("the connection is cut"), "{banner}");
    dashboard.faulty.mend();
    tab.next_without("banner", "data-stale").await;
}

#[tokio::test]
async fn a_read_that_panics_is_reported_and_followed_by_another() {
    let broker = MemoryTransport::new();
    let plan = FaultPlan::new().on(Op::Other, 1, 3, Fault::DieBefore);
    let transport = FaultyTransport::with_die_hook(broker, plan, |point| panic!("at {point}"));
    let mut options = Options::default();
    options.interval = Duration::from_millis(50);
    let dashboard = Dashboard::new(Client::new(Arc::new(transport)), options).unwrap();
    eventually("the panic is reported", SOON, async || {
        dashboard.ready().err().filter(|why| why.contains("the log says why"))
    })
    .await;
    eventually("the next read works", SOON, async || dashboard.ready()).await;
}

#[test]
fn a_reader_that_has_ended_is_reported_and_an_interval_of_zero_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = Client::new(Arc::new(MemoryTransport::new()));
    let mut options = Options::default();
    options.interval = Duration::ZERO;
    assert_eq!(options.check(), Err(OptionsError::Interval));
    options.interval = Duration::from_millis(5);
    let dashboard = runtime.block_on(async {
        let dashboard = Dashboard::new(client, options).unwrap();
        eventually("the first read", SOON, async || dashboard.ready()).await;
        dashboard
    });
    // The task that reads the broker ends with the runtime.
    drop(runtime);
    assert!(dashboard.ready().unwrap_err().contains("start the dashboard again"));
}
