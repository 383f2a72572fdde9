//! A secret in what an error or a person says is not shown, also where a worker has not left it out.

use naq_core::ErrorKind;

use crate::site::{End, Site, queue, task};

const SAID: &str = "no login with password=hunter2 at the gate";

/// What is between the tags: links name an error group by its pattern as it is.
fn words(html: &str) -> String {
    html.split('<').filter_map(|part| part.split_once('>')).map(|(_, words)| words).collect()
}

#[tokio::test]
async fn a_secret_in_a_message_or_a_reason_is_shown_on_no_page() {
    let mut site = Site::open();
    let kind = ErrorKind::TIMEOUT;
    site.die("email.send", 1, &kind, SAID).await;
    site.attempt("email.send", 1, End::Dead, (&kind, SAID));
    site.tell().await;
    let (mail, send) = (queue("mail"), task("email.send"));
    site.client.pause_task(&mail, &send, None, "ann", SAID).await.unwrap();
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
        let shown = words(&site.get(page).await);
        assert!(shown.contains("at the gate"), "{page} shows the rest of it: {shown}");
        assert!(!shown.contains("hunter2"), "{page}: {shown}");
    }
}
