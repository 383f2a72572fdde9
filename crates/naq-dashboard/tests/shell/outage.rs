//! The broker goes away under an open page, and comes back.

use axum::http::StatusCode;

use crate::site::Site;

#[tokio::test]
async fn a_page_is_stale_while_the_broker_is_away_and_recovers_by_itself() {
    let site = Site::open(|_| {});
    site.enqueue("mail", 3).await;
    let fresh = site.page("/", &["data-n=\"pending\" data-value=\"3\""]).await;
    assert!(!fresh.contains("data-stale"));
    site.wire.cut();
    let stale = site.page("/", &["data-stale", "Stale since"]).await;
    assert!(stale.contains("data-n=\"pending\" data-value=\"3\""), "what was seen last: {stale}");
    for path in ["/queues", "/queues/mail", "/workers", "/broker"] {
        let (status, html) = site.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(html.contains("data-stale"), "{path}");
    }
    let (status, html) = site.get("/audit").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY, "a page that has to ask says so");
    assert!(html.contains("<nav") && html.contains("the connection is cut"), "{html}");
    let refused = site.act("queue/pause", &[("queue", "mail")]).await;
    assert!(refused.unwrap_err().contains("the connection is cut"));
    site.wire.mend();
    site.enqueue("mail", 1).await;
    let html = site.page("/", &["data-n=\"pending\" data-value=\"4\""]).await;
    assert!(!html.contains("data-stale"));
}

#[tokio::test]
async fn a_broker_that_is_away_from_the_start_is_waited_for() {
    let site = Site::open(|_| {});
    site.wire.cut();
    // It may have been read once before it was cut.
    site.page("/", &["data-stale"]).await;
    let (status, _) = site.get("/queues/mail").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    site.wire.mend();
    site.enqueue("mail", 1).await;
    site.page("/queues/mail", &["data-n=\"pending\" data-value=\"1\""]).await;
}
