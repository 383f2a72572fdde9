//! What holds jobs: shown on the overview, on the page of the queue and on the page of the job.

use naq_client::HoldCause;

use crate::test_dashboard::{TestDashboard, queue};

#[tokio::test]
async fn an_open_breaker_is_shown_with_its_jobs_and_a_button_closes_it() {
    let dashboard = TestDashboard::open();
    for id in ["a", "b", "c"] {
        let job = dashboard.client.enqueue_task("charge", &()).unwrap();
        job.queue(queue("mail")).id(id).await.unwrap();
    }
    dashboard.client.open_breaker("stripe", None, "5 of 5 calls failed").await.unwrap();
    dashboard.hold_back(&["a", "b"], "stripe").await;
    // The breaker may be read before the jobs that it holds.
    let two = "data-n=\"held\" data-value=\"2\"";
    dashboard
        .page("/", &["What needs you", "data-hold=\"breaker\"", "5 of 5 calls failed", two])
        .await;
    let wanted = ["data-hold=\"breaker\"", "Close the breaker", "/act/breaker/close"];
    dashboard.page("/queues/mail", &wanted).await;
    // Its page says how many jobs wait with it.
    dashboard.page("/jobs/mail/a", &["data-hold=\"breaker\"", two]).await;

    let form = [("job", "mail/a")];
    let reply = dashboard.act("job/retry-now", &form).await.unwrap();
    let message = reply["message"].as_str().unwrap();
    assert!(message.contains("It is held all the same: breaker stripe"), "{message}");

    let form = [("key", "stripe"), ("reason", "it works again"), ("back", "/queues/mail")];
    let reply = dashboard.act("breaker/close", &form).await.unwrap();
    assert_eq!(reply["next"], "/queues/mail");
    let phase = dashboard.client.breaker("stripe").await.unwrap().state.phase;
    assert_eq!(phase.as_str(), "recovering");
    let audit = dashboard.audit().await;
    assert_eq!((&*audit[0].what, &*audit[0].scope), ("close", "breaker stripe"));
    let reply = dashboard.act("breaker/close", &[("key", "other")]).await.unwrap();
    assert_eq!(reply["message"], "Breaker other is closed already.");
}

#[tokio::test]
async fn a_pause_and_a_missing_worker_are_named_with_what_ends_them() {
    let dashboard = TestDashboard::open();
    let job = dashboard.client.enqueue_task("charge", &()).unwrap();
    job.queue(queue("mail")).id("a").await.unwrap();
    let mail = queue("mail");
    dashboard.page("/", &["data-hold=\"no_worker\"", "naq worker mail"]).await;
    let until = dashboard.client.now() + naq_core::transport::QueueInfo::UNTIL_RESUMED;
    dashboard.client.transport().pause(&mail, until).await.unwrap();
    let page = dashboard.page("/queues/mail", &["It lasts until the queue is resumed"]).await;
    assert!(!page.contains("10y") && !page.contains("3649d"), "no end is shown: {page}");
    dashboard.page("/", &["data-hold=\"queue_pause\"", "Resume the queue"]).await;
    let holds = dashboard.client.holds(&mail).await.unwrap();
    let causes: Vec<_> = holds.iter().map(|hold| hold.cause).collect();
    assert_eq!(causes, [HoldCause::NoWorker, HoldCause::QueuePause]);
}
