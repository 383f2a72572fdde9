//! The page of one job.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use naq_client::Client;
use naq_core::compress::Compression;
use naq_core::seal::{KeyRing, SealKind};
use naq_core::transport::Place;
use naq_core::wire::{WireMessage, headers};
use naq_core::{Codec, Envelope, ErrorKind, JobState, Payload};
use naq_memory::MemoryTransport;
use serde_json::json;

use crate::test_dashboard::{TestDashboard, failed, job};

const SECOND: Duration = Duration::from_secs(1);

/// A job that has failed twice and waits for its third attempt.
fn retrying(dashboard: &TestDashboard, id: &str) -> Envelope {
    let now = dashboard.client.now();
    let mut job = job("mail", id, "email.send", now.saturating_sub(40 * SECOND));
    job.policy = "exponential:20s,max_retries=4".parse().expect("a policy");
    job.tags = vec!["tenant-7".into()];
    let error = |text| (ErrorKind::CONNECTION, text);
    job.record(failed(1, now, 35 * SECOND, error("refused by 10.0.0.7"), 20 * SECOND));
    let mut second = failed(2, now, 5 * SECOND, error("refused by 10.0.0.8"), 40 * SECOND);
    second.due_at = Some(now.saturating_sub(15 * SECOND));
    job.record(second);
    job.attempt = 3;
    job.due_at = Some(now + 35 * SECOND);
    job.first_started_at = Some(now.saturating_sub(36 * SECOND));
    job
}

#[tokio::test]
async fn a_waiting_job_is_shown_with_its_past_attempts_its_policy_and_its_planned_attempts() {
    let dashboard = TestDashboard::new();
    let job = retrying(&dashboard, "j-1");
    dashboard.put(&job, job.due_at).await;
    let page = dashboard.page("/jobs/mail/j-1").await;
    for part in [
        r#"data-state="retrying""#,
        r#"<dd data-n="attempt">3 of 5</dd>"#,
        "up to 4 retries, after 20s, then 2 times as long each time",
        "Attempt 1 of 5",
        "Attempt 3 of 5",
        "refused by 10.0.0.7",
        "20s as planned, then 9.9s late",
        r#"<code class="rule" title="the rule that decided">strategy</code>"#,
        "80s after attempt 3 fails",
        "the job is dead: no retry is left",
        "# tenant-7",
        "ann@example.com",
        "naq job show j-1 --queue mail",
        r#"action="/act/job/retry-now""#,
    ] {
        let part = part.replace("80s after", "1m20s after");
        assert!(page.contains(&part), "{part}: {page}");
    }
    assert!(!page.contains("style="), "no inline style, which the content security policy forbids");
    let rows = page.matches("data-outcome=").count();
    assert_eq!(rows, 6, "two past attempts, one that waits, two planned ones, the end");
}

#[tokio::test]
async fn retry_now_makes_a_job_due_and_is_audited() {
    let dashboard = TestDashboard::new();
    let job = retrying(&dashboard, "j-1");
    dashboard.put(&job, job.due_at).await;
    let (status, answer) = dashboard.act("/act/job/retry-now", &[("job", "mail/j-1")]).await;
    assert_eq!((status, &answer["next"]), (StatusCode::OK, &json!("/jobs/mail/j-1")), "{answer}");
    assert_eq!(dashboard.state("mail/j-1").await, JobState::Pending);
    let entry = ("retry-now".to_owned(), "job mail/j-1".to_owned(), String::new());
    assert_eq!(dashboard.audited().await, [entry]);
    let (status, answer) = dashboard.act("/act/job/retry-now", &[("job", "mail/j-1")]).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert_eq!(dashboard.audited().await.len(), 1, "a refused action is not audited");
}

#[tokio::test]
async fn cancel_ends_a_job_with_the_given_reason() {
    let dashboard = TestDashboard::new();
    let job = retrying(&dashboard, "j-1");
    dashboard.put(&job, job.due_at).await;
    let form = [("job", "mail/j-1"), ("reason", "the customer <left>")];
    let (status, answer) = dashboard.act("/act/job/cancel", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert_eq!(dashboard.state("mail/j-1").await, JobState::Cancelled);
    assert_eq!(dashboard.audited().await[0].2, "the customer <left>");
    let page = dashboard.page("/jobs/mail/j-1").await;
    assert!(page.contains("the customer &#60;left&#62;"), "{page}");
    assert!(!page.contains("the customer <left>"));
    assert!(!page.contains(">Cancel…<"), "a job that has ended has no cancel button");
}

#[tokio::test]
async fn a_dead_job_shows_why_it_died_and_can_be_requeued() {
    let dashboard = TestDashboard::new();
    let job = retrying(&dashboard, "j-1");
    dashboard.kill(job, ErrorKind::TIMEOUT, "no answer\nin 5 s").await;
    let page = dashboard.page("/jobs/mail/j-1").await;
    for part in ["by rule <code>max_retries</code>", "TimeoutError", "no answer in 5 s", "Requeue…"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let form = [("job", "mail/j-1"), ("delay", "10m"), ("reason", "fixed")];
    let (status, answer) = dashboard.act("/act/job/requeue", &form).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    assert!(dashboard.is_stored_in("mail/j-1", Place::Schedule).await);
    assert!(!dashboard.is_stored_in("mail/j-1", Place::Dead).await);
    assert_eq!(dashboard.audited().await[0].0, "requeue");
    let page = dashboard.page("/jobs/mail/j-1").await;
    assert!(page.contains("an operator requeued the job"), "{page}");
    let (status, answer) = dashboard.act("/act/job/requeue", &form).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    let (status, answer) =
        dashboard.act("/act/job/requeue", &[("job", "mail/j-1"), ("delay", "soon")]).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{answer}");
}

#[tokio::test]
async fn arguments_and_result_are_shown_unless_hide_args_is_set() {
    let open = TestDashboard::new();
    let job = job("mail", "done", "email.send", open.client.now());
    open.complete(job.clone(), &json!({"total": 4711})).await;
    let page = open.page("/jobs/mail/done").await;
    assert!(page.contains("&#34;total&#34;: 4711"), "{page}");
    let hiding = TestDashboard::with(|options| options.hide_args = true);
    hiding.complete(job, &json!({"total": 4711})).await;
    let page = hiding.page("/jobs/mail/done").await;
    assert!(!page.contains("4711") && !page.contains("ann@example.com"), "{page}");
    let page = hiding.page("/jobs/mail/done?args=1").await;
    assert!(
        !page.contains("4711") && !page.contains("ann@example.com"),
        "no address undoes it: {page}"
    );
}

#[tokio::test]
async fn a_body_that_is_not_a_job_is_shown_in_hex_with_the_reason() {
    let dashboard = TestDashboard::new();
    let stored = dashboard.put(&job("mail", "odd", "t", dashboard.client.now()), None).await;
    let body = WireMessage::new(b"{\"task\": <script>".to_vec().into())
        .with(headers::CONTENT_TYPE, "application/json");
    dashboard.client.transport().remove(&stored).await.expect("is removed");
    let submission = naq_core::transport::Submission {
        key: stored.key,
        due_at: None,
        dedup: "odd-2".into(),
        unique: false,
        message: body,
    };
    dashboard.client.transport().publish(submission).await.expect("is taken");
    let page = dashboard.page("/jobs/mail/odd").await;
    assert!(
        page.contains("The body of this message is not a job")
            && page.contains("7b 22 74 61 73 6b"),
        "{page}"
    );
    assert!(!page.contains("<script>") && page.contains("unknown task"), "{page}");
}

#[tokio::test]
async fn the_page_of_a_job_that_does_not_exist_says_so() {
    let dashboard = TestDashboard::new();
    let (status, page) = dashboard.get("/jobs/mail/nothing").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("no job nothing") && page.contains("aria-label=\"Pages\""), "{page}");
    let (status, _) = dashboard.get("/jobs/mail/a%2Fb").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn read_only_shows_no_buttons() {
    let dashboard = TestDashboard::with(|options| options.read_only = true);
    let job = retrying(&dashboard, "j-1");
    dashboard.put(&job, job.due_at).await;
    let page = dashboard.page("/jobs/mail/j-1").await;
    assert!(!page.contains("/act/job/") && !page.contains("Cancel…"), "{page}");
    let (status, _) = dashboard.act("/act/job/cancel", &[("job", "mail/j-1")]).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(dashboard.state("mail/j-1").await, JobState::Retrying);
}

#[tokio::test]
async fn compressed_arguments_are_shown_and_encrypted_values_and_errors_only_with_the_key() {
    let ring: KeyRing = format!("k1 {}", KeyRing::generate_key()).parse().expect("a ring");
    let broker = Arc::new(MemoryTransport::new());
    let client = Client::new(broker.clone());
    let without_key = TestDashboard::of(client.clone(), |_| {});
    let with_key = TestDashboard::of(client.encrypt_with(ring.clone()), |_| {});
    let large = Payload::encode(Codec::Json, &"ann@example.com ".repeat(500)).expect("writes");
    let large = Compression::Lz4.apply(&large).expect("writes");
    let mut plain = retrying(&without_key, "plain");
    plain.args = large.clone();
    without_key.put(&plain, plain.due_at).await;
    let mut secret = retrying(&without_key, "secret");
    secret.args = ring.seal_of_job(&secret, SealKind::Args, &large).expect("seals");
    let text = Payload::encode(Codec::Json, "card-4711 was refused").expect("writes");
    let text = ring.seal_of_job(&secret, SealKind::Error, &text).expect("seals");
    let last = secret.history.last_mut().expect("an attempt");
    last.message = Some(String::from_utf8_lossy(text.bytes()).trim_matches('"').to_owned());
    without_key.put(&secret, secret.due_at).await;

    for dashboard in [&with_key, &without_key] {
        let page = dashboard.page("/jobs/mail/plain").await;
        assert!(page.contains("ann@example.com ann@example.com"), "{page}");
        let list = dashboard.page("/jobs?state=retrying").await;
        assert!(list.contains("encrypted with key k1") && !list.contains("card-4711"), "{list}");
        assert!(!list.contains("naq:sealed"), "{list}");
    }
    let page = with_key.page("/jobs/mail/secret").await;
    assert!(page.contains("card-4711 was refused"), "{page}");
    assert!(page.contains("ann@example.com ann@example.com"), "{page}");
    let page = without_key.page("/jobs/mail/secret").await;
    assert!(!page.contains("card-4711") && !page.contains("ann@example.com"), "{page}");
    assert!(page.contains("ConnectionError"), "the kind is plain: {page}");
    for part in
        [r#"id="args">encrypted with key k1"#, r#"<span class="said">encrypted with key k1"#]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}
