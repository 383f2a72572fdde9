//! No page shows a secret in an error message or a reason, also if the worker did not remove it.

use naq_core::ErrorKind;

use crate::site::{End, Site, queue, task};

const MESSAGE: &str = "no login with password=hunter2 at the gate";

/// The text between the tags. Links are left out: they name an error group by its unchanged pattern.
fn visible_text(html: &str) -> String {
    html.split('<').filter_map(|part| part.split_once('>')).map(|(_, text)| text).collect()
}

#[tokio::test]
async fn a_secret_in_a_message_or_a_reason_is_shown_on_no_page() {
    let mut site = Site::open();
    let kind = ErrorKind::TIMEOUT;
    site.die("email.send", 1, &kind, MESSAGE).await;
    site.attempt("email.send", 1, End::Dead, (&kind, MESSAGE));
    site.report_stats().await;
    site.client
        .pause_task(&queue("mail"), &task("email.send"), None, "ann", MESSAGE)
        .await
        .unwrap();
    let failures = site.page("/failures", &["data-group="]).await;
    let (_, id) = failures.split_once("data-group=\"").unwrap();
    let group = format!("/failures/{}", id.split_once('"').unwrap().0);
    site.page("/queues/mail", &["Paused task"]).await;
    for page in [
        "/",
        "/failures",
        &group,
        "/dead",
        "/jobs?state=dead&queue=mail",
        "/retries",
        "/queues/mail",
    ] {
        let shown = visible_text(&site.get(page).await);
        assert!(shown.contains("at the gate"), "{page} shows the rest of the text: {shown}");
        assert!(!shown.contains("hunter2"), "{page}: {shown}");
    }
}
