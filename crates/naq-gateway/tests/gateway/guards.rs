//! Who gets in, and what each key may do.

use axum::body::Body;
use serde_json::json;

use crate::test_gateway::{TestGateway, key};

#[tokio::test]
async fn without_a_key_of_the_list_no_caller_gets_in() {
    let mut gateway = TestGateway::keyed("may=operate");
    let secret = gateway.secret.take().expect("a secret");
    let answer = gateway.get("/v1/queues").await;
    assert_eq!(answer.problem(401), "unauthorized");
    assert!(answer.headers["www-authenticate"].to_str().expect("text").starts_with("Bearer"));
    for wrong in
        [String::new(), secret[1..].to_owned(), secret.to_uppercase(), format!("{secret}x")]
    {
        gateway.secret = Some(wrong);
        assert_eq!(gateway.get("/v1/queues").await.problem(401), "unauthorized");
    }
    gateway.secret = Some(secret);
    assert_eq!(gateway.get("/v1/queues").await.json(200), json!({"queues": []}));
    let (other, _) = key("other", "");
    gateway.gateway.set_keys(other.parse().expect("keys"));
    assert_eq!(gateway.get("/v1/queues").await.problem(401), "unauthorized", "the key was removed");
    gateway.secret = None;
    let document = gateway.get("/v1/openapi.json").await.json(200);
    assert_eq!(document["openapi"], "3.1.0");
}

#[tokio::test]
async fn a_key_reaches_its_own_queues_and_tasks_only() {
    let gateway = TestGateway::keyed("queues=mail,slow tasks=email.*,load");
    gateway.enqueue(&json!({"task": "email.send", "id": "a"})).await.json(201);
    for job in [
        json!({"task": "refund"}),
        json!({"task": "email.send", "on_exhausted": "refund"}),
        json!({"task": "email.send", "on_exhausted": {"task": "email.send", "queue": "money"}}),
        json!({"task": "email.send", "depends_on": ["money/x"]}),
        json!({"task": "email.send", "unique": "a", "unique_across_queues": true}),
    ] {
        assert_eq!(gateway.enqueue(&job).await.problem(403), "forbidden", "{job}");
    }
    let elsewhere = gateway.post("/v1/queues/money/jobs", r#"{"task":"load"}"#).await;
    assert_eq!(elsewhere.problem(403), "forbidden");
    gateway
        .client
        .enqueue_task("refund", &1)
        .expect("a task")
        .queue("mail")
        .id("b")
        .await
        .expect("stored");
    gateway
        .client
        .enqueue_task("load", &1)
        .expect("a task")
        .queue("money")
        .id("c")
        .await
        .expect("stored");
    assert_eq!(gateway.get("/v1/jobs/mail/a").await.json(200)["state"], "pending");
    for path in ["/v1/jobs/mail/b", "/v1/jobs/money/c"] {
        assert_eq!(gateway.get(path).await.problem(403), "forbidden", "{path}");
        let cancel = gateway.post(&format!("{path}/cancel"), "").await;
        assert_eq!(cancel.problem(403), "forbidden", "{path}");
    }
    for path in ["/v1/queues", "/v1/workers", "/v1/schedules", "/v1/dead-letters"] {
        assert_eq!(gateway.get(path).await.problem(403), "forbidden", "{path}");
    }
    for path in ["/v1/jobs/mail/a/retry-now", "/v1/dead-letters/mail/a/requeue"] {
        assert_eq!(gateway.post(path, "").await.problem(403), "forbidden", "{path}");
    }
}

#[tokio::test]
async fn no_key_reaches_the_queue_of_naqs_own_jobs() {
    for gateway in [TestGateway::open(), TestGateway::keyed("may=operate")] {
        let job = r#"{"task":"t"}"#;
        assert_eq!(gateway.post("/v1/queues/naq-chores/jobs", job).await.problem(403), "forbidden");
        assert_eq!(gateway.get("/v1/jobs/naq-chores/x").await.problem(403), "forbidden");
        assert_eq!(
            gateway.get("/v1/dead-letters?queue=naq-chores").await.problem(403),
            "forbidden"
        );
    }
}

#[tokio::test]
async fn a_key_that_sends_too_much_is_told_when_to_come_back() {
    let gateway = TestGateway::keyed("rate=2");
    gateway.enqueue(&json!({"task": "t", "id": "a"})).await.json(201);
    gateway.get("/v1/jobs/mail/a").await.json(200);
    let refused = gateway.get("/v1/jobs/mail/a").await;
    assert_eq!(refused.problem(429), "too-many-requests");
    assert_eq!(refused.headers["retry-after"], "1");
}

#[tokio::test]
async fn a_gateway_without_keys_answers_neither_other_hosts_nor_web_pages() {
    let gateway = TestGateway::open();
    for host in ["localhost", "127.0.0.1:8090", "[::1]:8090", "[::1]", "LOCALHOST:1"] {
        let answer = gateway.send("GET", "/v1/queues", &[("host", host)], Body::empty()).await;
        answer.json(200);
    }
    for host in ["evil.example", "evil.example:8090", "localhost.evil.example", ""] {
        let answer = gateway.send("GET", "/v1/queues", &[("host", host)], Body::empty()).await;
        assert_eq!(answer.problem(403), "keys-needed", "{host}");
    }
    let origin = [("origin", "https://evil.example")];
    let page = gateway.send("POST", "/v1/jobs/mail/a/cancel", &origin, Body::empty()).await;
    assert_eq!(page.problem(403), "keys-needed");
}

#[tokio::test]
async fn an_unknown_call_is_a_problem_too() {
    let gateway = TestGateway::open();
    assert_eq!(gateway.get("/v1/jobs").await.problem(404), "no-call");
    assert_eq!(gateway.get("/v1/queues/mail/jobs").await.problem(405), "no-call");
    assert_eq!(gateway.get("/v1/jobs/mail/a?wiat=1s").await.problem(400), "bad-request");
    assert_eq!(gateway.get("/v1/jobs/mail/missing").await.problem(404), "not-found");
}
