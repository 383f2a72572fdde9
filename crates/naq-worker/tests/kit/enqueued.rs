//! Assertions about enqueued jobs.

use naq_client::Client;
use naq_core::retry::RetryPolicy;

use crate::app::{DAY, Import, Odd, Welcome, harness, secs, sign_up};

#[tokio::test]
async fn an_enqueued_job_is_found_by_each_of_its_properties() {
    let (harness, app) = harness();
    sign_up(harness.client(), "ada").await.unwrap();
    sign_up(harness.client(), "ada").await.unwrap();
    harness.assert_enqueued::<Welcome>().with(|mail| mail.to == "ada").tagged("new").times(2);
    let import = harness
        .assert_enqueued::<Import>()
        .on_queue("imports")
        .due_in(DAY)
        .unique("import ada")
        .policy("exponential:2s,max_retries=4".parse::<RetryPolicy>().unwrap())
        .that("due tomorrow", |job| job.envelope.due_at == Some(harness.now() + DAY))
        .only();
    assert_eq!(import.args, Import { file: "ada.csv".into(), succeeds_at: 1 });
    harness.assert_not_enqueued::<Odd>();
    assert_eq!(harness.all_enqueued().len(), 3, "the second import was none");
    assert!(app.log().is_empty(), "nothing runs until it is told to");
}

#[tokio::test]
async fn a_job_that_has_run_and_expired_is_still_listed() {
    let (harness, _) = harness();
    let job = harness.client().enqueue(Odd("a".into())).await.unwrap();
    harness.drain().await;
    harness.pass(DAY).await;
    assert!(job.report().await.is_err(), "its record has expired");
    assert_eq!(harness.job(&job).result::<String>(), "a");
    harness.assert_enqueued::<Odd>().times(1);
}

#[tokio::test]
async fn a_requeue_is_not_a_new_job() {
    let (harness, app) = harness();
    let job = harness.client().enqueue(Odd("fatal".into())).id("a").await.unwrap();
    harness.drain().await;
    let letter = harness.job(&job).report().stored.clone();
    harness.client().requeue(&letter, None).await.unwrap();
    harness.drain().await;
    harness.job("a").assert_dead("ValueError");
    harness.assert_enqueued::<Odd>().times(1);
    assert_eq!(app.log(), ["fatal", "fatal"]);
}

async fn some(client: &Client) {
    client.enqueue(Welcome { to: "ada".into() }).queue("mail").id("first").await.unwrap();
    let job = Welcome { to: "bob".into() };
    let policy = RetryPolicy::aggressive();
    client.enqueue_in(secs(90), job).id("second").policy(&policy).tag("new").await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "no \"mail.welcome\" on queue \"mail\" with tag \"new\" was enqueued. \
    Enqueued were:\n  mail.welcome {\"to\":\"ada\"} on \"mail\", due at once, ")]
async fn a_panic_lists_the_jobs_that_were_enqueued() {
    let (harness, _) = harness();
    some(harness.client()).await;
    let _ = harness.assert_enqueued::<Welcome>().on_queue("mail").tagged("new");
}

#[tokio::test]
#[should_panic(expected = "due in 1m30s, exponential:1s/2s/4s/8s/16s,max_retries=5, tags \
    new, id second")]
async fn it_lists_every_property() {
    let (harness, _) = harness();
    some(harness.client()).await;
    harness.assert_enqueued::<Welcome>().times(1);
}

#[tokio::test]
#[should_panic(expected = "2 jobs of \"mail.welcome\" were enqueued, expected none")]
async fn nothing_means_nothing() {
    let (harness, _) = harness();
    some(harness.client()).await;
    harness.assert_not_enqueued::<Welcome>();
}

#[tokio::test]
#[should_panic(expected = "there was no job default/x. Enqueued were:\n  no jobs")]
async fn a_job_that_was_never_enqueued_is_a_panic() {
    harness().0.job("x");
}
