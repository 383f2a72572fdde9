//! No page shows a secret in an error message or a reason, also if the worker did not remove it.

use naq_core::ErrorKind;

use crate::test_dashboard::{End, TestDashboard, queue, task};

const MESSAGE: &str = "no login with password=hunter2 at the gate";

/// The text between the tags. Links are left out: they name an error group by its unchanged pattern.
fn visible_text(html: &str) -> String {
    html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

#[tokio::test]
async fn a_secret_in_a_message_or_a_reason_is_shown_on_no_page() {
    let mut dashboard = TestDashboard::open();
    let kind = ErrorKind::TIMEOUT;
    dashboard.die("email.send", 1, &kind, MESSAGE).await;
    dashboard.attempt("email.send", 1, End::Dead, (&kind, MESSAGE));
    dashboard.report_stats().await;
    dashboard
        .client
        .pause_task(&queue("mail"), &task("email.send"), None, "ann", MESSAGE)
        .await
        .unwrap();
    let failures = dashboard.page("/failures", &["data-group="]).await;
    let (_, id) = failures.split_once("data-group=\"").unwrap();
    let group = format!("/failures/{}", id.split_once('"').unwrap().0);
    dashboard.page("/queues/mail", &["Paused task"]).await;
    for page in [
        "/",
        "/failures",
        &group,
        "/dead",
        "/jobs?state=dead&queue=mail",
        "/retries",
        "/queues/mail",
    ] {
        let shown = visible_text(&dashboard.get(page).await);
        assert!(shown.contains("at the gate"), "{page} shows the rest of the text: {shown}");
        assert!(!shown.contains("hunter2"), "{page}: {shown}");
    }
}
