//! Read, wait, cancel, retry now, requeue, and the lists.

use std::time::Duration;

use naq_client::AuditQuery;
use naq_core::{Clock, SystemClock};
use naq_gateway::Options;
use serde_json::json;

use crate::test_gateway::TestGateway;

#[tokio::test]
async fn a_wait_ends_with_the_job_and_has_its_whole_result() {
    let gateway = TestGateway::open();
    let args = json!({"to": "ann", "password": "hunter2"});
    gateway.enqueue(&json!({"task": "t", "id": "a", "args": args})).await.json(201);
    let began = SystemClock.now();
    let result = json!({"token": "whole"});
    let wait = gateway.get("/v1/jobs/mail/a?wait=50s");
    let (waited, ()) = tokio::join!(wait, gateway.complete("mail/a", &result));
    let job = waited.json(200);
    assert_eq!((&job["state"], &job["result"]), (&json!("completed"), &result));
    assert_eq!(job["args"]["password"], "[redacted]");
    assert!(SystemClock.now().since(began) < Duration::from_secs(30));
}

#[tokio::test]
async fn a_wait_ends_with_its_time_and_when_the_gateway_drains() {
    let gateway = TestGateway::open();
    gateway.enqueue(&json!({"task": "t", "id": "a"})).await.json(201);
    assert_eq!(gateway.get("/v1/jobs/mail/a?wait=10ms").await.json(200)["state"], "pending");
    assert_eq!(gateway.get("/v1/jobs/mail/a?wait=61s").await.problem(400), "bad-request");
    let began = SystemClock.now();
    let (waited, ()) =
        tokio::join!(gateway.get("/v1/jobs/mail/a?wait=60s"), async { gateway.gateway.drain() });
    assert_eq!(waited.json(200)["state"], "pending");
    assert!(SystemClock.now().since(began) < Duration::from_secs(30));
}

#[tokio::test]
async fn only_so_many_requests_wait_at_once() {
    let mut options = Options::default();
    options.max_waiting = 0;
    let gateway = TestGateway::with(options);
    gateway.enqueue(&json!({"task": "t", "id": "a"})).await.json(201);
    let refused = gateway.get("/v1/jobs/mail/a?wait=1s").await;
    assert_eq!(refused.problem(503), "busy");
    assert_eq!(refused.headers["retry-after"], "1");
    gateway.get("/v1/jobs/mail/a").await.json(200);
}

#[tokio::test]
async fn a_job_is_cancelled_once_and_the_audit_log_says_by_whom() {
    let gateway = TestGateway::keyed("");
    gateway.enqueue(&json!({"task": "t", "id": "a"})).await.json(201);
    let job = gateway.post("/v1/jobs/mail/a/cancel", r#"{"reason":"a mistake"}"#).await.json(200);
    assert_eq!(job["state"], "cancelled");
    assert_eq!(gateway.post("/v1/jobs/mail/a/cancel", "").await.problem(409), "wrong-state");
    assert_eq!(gateway.post("/v1/jobs/mail/a/cancel", "x").await.problem(400), "bad-request");
    let log = gateway.client.audit_log(&AuditQuery::default()).await.expect("a log").entries;
    assert_eq!(log.len(), 1);
    let entry = (&*log[0].who, &*log[0].what, &*log[0].scope, &*log[0].reason);
    assert_eq!(entry, ("web@gateway", "cancel", "job mail/a", "a mistake"));
}

#[tokio::test]
async fn an_operator_retries_now_and_requeues() {
    let gateway = TestGateway::keyed("queues=mail may=operate");
    gateway.enqueue(&json!({"task": "t", "id": "late", "in": "1h"})).await.json(201);
    assert_eq!(gateway.get("/v1/jobs/mail/late").await.json(200)["state"], "scheduled");
    let job = gateway.post("/v1/jobs/mail/late/retry-now", "").await.json(200);
    assert_eq!(job["state"], "pending");
    let again = gateway.post("/v1/jobs/mail/late/retry-now", "").await;
    assert_eq!(again.problem(409), "wrong-state");
    gateway.enqueue(&json!({"task": "t", "id": "a"})).await.json(201);
    gateway.kill("mail/a", "the provider is down").await;
    let page = gateway.get("/v1/dead-letters?queue=mail&task=t").await.json(200);
    assert_eq!(page["letters"][0]["message"], "the provider is down");
    assert_eq!(page["next"], json!(null));
    assert_eq!(gateway.get("/v1/dead-letters?task=other").await.json(200)["letters"], json!([]));
    assert_eq!(gateway.get("/v1/dead-letters?queue=money").await.problem(403), "forbidden");
    let job = gateway.post("/v1/dead-letters/mail/a/requeue", r#"{"delay":"1h"}"#).await.json(200);
    assert_eq!(job["state"], "scheduled");
    let again = gateway.post("/v1/dead-letters/mail/a/requeue", "").await;
    assert_eq!(again.problem(409), "wrong-state");
    gateway.client.enqueue_task("t", &1).expect("a task").queue("money").await.expect("stored");
    let queues = gateway.get("/v1/queues").await.json(200);
    assert_eq!(queues["queues"].as_array().map(Vec::len), Some(1), "its own queues only: {queues}");
    assert_eq!(gateway.get("/v1/workers").await.json(200), json!({"workers": []}));
    assert_eq!(gateway.get("/v1/schedules").await.json(200), json!({"schedules": []}));
}

#[tokio::test]
async fn a_schedule_is_defined_replaced_and_removed_by_its_own_callers_only() {
    let gateway = TestGateway::keyed("queues=mail tasks=report may=operate");
    let order = |task: &str, queue: &str| {
        json!({"every": "1h", "queue": queue, "job": {"task": task, "args": 7}}).to_string()
    };
    let headers = [("content-type", "application/json")];
    let put =
        async |body: String| gateway.send("PUT", "/v1/schedules/hourly", &headers, body).await;
    let made = put(order("report", "mail")).await.json(200);
    assert_eq!((&made["registered"], &made["every_ms"]), (&json!("created"), &json!(3_600_000)));
    assert_eq!(put(order("report", "mail")).await.json(200)["registered"], "unchanged");
    assert_eq!(put(order("refund", "mail")).await.problem(403), "forbidden");
    assert_eq!(put(order("report", "money")).await.problem(403), "forbidden");
    assert_eq!(
        put(r#"{"job":{"task":"report"},"queue":"mail"}"#.to_owned()).await.problem(400),
        "bad-request"
    );
    let with_id = r#"{"every":"1h","job":{"task":"report","id":"x"},"queue":"mail"}"#;
    assert_eq!(put(with_id.to_owned()).await.problem(400), "bad-job");
    let listed = gateway.get("/v1/schedules").await.json(200);
    assert_eq!(listed["schedules"][0]["name"], "hourly");
    let other = gateway.client.enqueue_task("refund", &1).expect("a task").queue("money");
    gateway
        .client
        .schedule("theirs")
        .every(Duration::from_secs(60))
        .template(other)
        .await
        .expect("made");
    let delete = async |name: &str| {
        let path = format!("/v1/schedules/{name}");
        gateway.send("DELETE", &path, &[], axum::body::Body::empty()).await
    };
    assert_eq!(delete("theirs").await.problem(403), "forbidden");
    let body = order("report", "mail");
    let replaced = gateway.send("PUT", "/v1/schedules/theirs", &headers, body).await;
    assert_eq!(replaced.problem(403), "forbidden");
    assert_eq!(delete("hourly").await.json(200), json!({"removed": true}));
    assert_eq!(delete("hourly").await.json(200), json!({"removed": false}));
}
