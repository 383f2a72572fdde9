//! Enqueue: options, ids, many at once.

use naq_core::JobState;
use naq_gateway::Options;
use serde_json::{Value, json};

use crate::test_gateway::{TestGateway, key};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn large_arguments_are_refused_or_stored_as_the_client_of_the_gateway_does() {
    let job = json!({"task": "load", "id": "large", "args": "x".repeat(3_000_000)});
    assert_eq!(TestGateway::open().enqueue(&job).await.problem(413), "too-large");
    let gateway = TestGateway::storing_large_args();
    gateway.enqueue(&job).await.json(201);
    let stored = gateway.report("mail/large").await.args.expect("arguments");
    assert_eq!(stored.decode::<Value>().expect("JSON"), job["args"]);
    assert_eq!(gateway.enqueue(&job).await.json(200)["duplicate"], true);
}

#[tokio::test]
async fn a_job_has_every_option_that_its_caller_names() {
    let gateway = TestGateway::open();
    let parent = gateway.enqueue(&json!({"task": "load", "id": "parent"})).await.json(201);
    assert_eq!(parent["duplicate"], false);
    let job = json!({
        "task": "email.send", "args": {"to": "ann@example.com", "n": 9_007_199_254_740_993_u64},
        "id": "job-1", "in": "10m", "deadline": "2100-01-01 12:00", "timeout": "90s",
        "record_ttl": "2h", "tags": ["a", "b"], "unique": "ann", "unique_for": "1h",
        "unique_across_queues": true, "depends_on": ["parent"], "allow_partial": true,
        "on_exhausted": "email.bounce@bounces", "concurrency_key": ["tenant:7=3"],
        "rate_limit": ["api=100/1m/10"], "max_retries": 4, "retry_delay": ["2s", "5s", "10s", "20s"],
        "max_delay": "15s", "jitter": "full", "retry_on": ["HTTPError"],
        "ignore_on": ["ValueError"], "retry_for": "1h", "max_crashes": 2
    });
    let headers = [("content-type", "application/json"), ("traceparent", TRACE)];
    let answer = gateway.send("POST", "/v1/queues/mail/jobs", &headers, job.to_string()).await;
    assert_eq!(
        answer.json(201),
        json!({"id": "job-1", "queue": "mail", "task": "email.send", "duplicate": false})
    );
    assert_eq!(answer.headers["location"], "../../jobs/mail/job-1");
    let stored = gateway.report("mail/job-1").await;
    let stored = stored.envelope.expect("a job");
    assert_eq!(stored.args.decode::<Value>().expect("JSON"), job["args"]);
    assert_eq!(stored.timeout.map(|it| it.as_secs()), Some(90));
    assert_eq!(stored.record_ttl.as_secs(), 7200);
    assert_eq!(stored.tags, ["a", "b"]);
    assert_eq!(stored.traceparent.as_deref(), Some(TRACE));
    assert_eq!(stored.limits.len(), 2);
    assert_eq!(stored.unique.map(|it| it.key), Some("ann".to_owned()));
    assert_eq!(stored.on_exhausted.map(|it| it.task.to_string()).as_deref(), Some("email.bounce"));
    assert!(stored.depends_on.is_some() && stored.deadline.is_some());
    let policy = stored.policy.to_string();
    for part in ["2s/5s/10s/20s", "jitter=full", "HTTPError", "ValueError", "max_crashes=2"] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
}

#[tokio::test]
async fn no_header_of_the_caller_reaches_the_broker() {
    let gateway = TestGateway::open();
    let headers = [
        ("content-type", "application/json"),
        ("nats-rollup", "all"),
        ("nats-msg-id", "x"),
        ("nats-schedule", "@every 1s"),
        ("naq-suspect", "1"),
        ("naq-step", "x"),
        ("traceparent", "00-short-01"),
    ];
    let body = r#"{"task":"t","id":"a"}"#;
    gateway.send("POST", "/v1/queues/mail/jobs", &headers, body).await.json(201);
    let plain = TestGateway::open();
    plain.post("/v1/queues/mail/jobs", body).await.json(201);
    let names = |report: naq_client::JobReport| {
        let headers = report.stored.message.headers();
        headers.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(gateway.report("mail/a").await), names(plain.report("mail/a").await));
    assert_eq!(gateway.report("mail/a").await.envelope.and_then(|job| job.traceparent), None);
}

#[tokio::test]
async fn a_request_with_the_same_idempotency_key_adds_no_second_job() {
    let gateway = TestGateway::open();
    let send = async |body: &str, key: &str| {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        gateway.send("POST", "/v1/queues/mail/jobs", &headers, body.to_owned()).await
    };
    let first = send(r#"{"task":"t","args":{"a":1,"b":2}}"#, "order 7").await.json(201);
    let again = send(r#"{"task":"t","args":{"b":2,"a":1}}"#, "\"order 7\"").await.json(200);
    assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    let key = format!("mail/{}", first["id"].as_str().expect("an id"));
    gateway.complete(&key, &json!("sent")).await;
    assert_eq!(send(r#"{"task":"t","args":{"a":1,"b":2}}"#, "order 7").await.json(200), again);
    let other = send(r#"{"task":"t","args":{"a":2}}"#, "order 7").await;
    assert_eq!(other.problem(422), "idempotency-key-reused");
    assert_ne!(
        send(r#"{"task":"t","args":{"a":2}}"#, "order 8").await.json(201)["id"],
        first["id"]
    );
    assert_eq!(send(r#"{"task":"t","id":"x"}"#, "order 9").await.problem(400), "bad-job");
    assert_eq!(send(r#"{"task":"t"}"#, "").await.problem(400), "bad-request");
    assert_eq!(gateway.client.queues().await.expect("queues")[0].pending, 1);
}

#[tokio::test]
async fn two_callers_with_the_same_idempotency_key_have_two_jobs() {
    let mut gateway = TestGateway::open();
    let (web, web_secret) = key("web", "");
    let (app, app_secret) = key("app", "");
    gateway.gateway.set_keys(format!("{web}\n{app}").parse().expect("keys"));
    let mut ids = Vec::new();
    for secret in [web_secret, app_secret] {
        gateway.secret = Some(secret);
        let headers = [("content-type", "application/json"), ("idempotency-key", "1")];
        let answer =
            gateway.send("POST", "/v1/queues/mail/jobs", &headers, r#"{"task":"t"}"#).await;
        ids.push(answer.json(201)["id"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test]
async fn of_many_jobs_each_line_has_its_answer() {
    let gateway = TestGateway::open();
    let lines = [
        r#"{"task":"t","args":1}"#,
        "",
        "{\"task\":",
        r#"{"task":"t","queue":"x"}"#,
        r#"{"task":"t"}"#,
    ];
    let headers = [("content-type", "application/x-ndjson"), ("idempotency-key", "batch-1")];
    let send = async || {
        let answer = gateway.send("POST", "/v1/queues/mail/jobs", &headers, lines.join("\n")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let lines = answer.text.lines().map(|line| serde_json::from_str(line).expect("JSON"));
        lines.collect::<Vec<Value>>()
    };
    let first = send().await;
    let numbers: Vec<_> = first.iter().map(|line| line["line"].as_u64().expect("a line")).collect();
    assert_eq!(numbers, [1, 3, 4, 5]);
    assert_eq!(first[1]["error"]["type"], "urn:naq:problem:bad-job");
    assert!(first[2]["error"]["detail"].as_str().is_some_and(|it| it.contains("queue")));
    assert_eq!(first[0]["duplicate"], false);
    let again = send().await;
    assert_eq!((&again[0]["id"], &again[0]["duplicate"]), (&first[0]["id"], &json!(true)));
    assert_eq!(gateway.client.queues().await.expect("queues")[0].pending, 2);
}

#[tokio::test]
async fn a_job_that_is_not_valid_is_a_problem_that_says_what_to_do() {
    let mut options = Options::default();
    options.max_body = 4_000;
    options.max_jobs = 2;
    let gateway = TestGateway::with(options);
    for (job, says) in [
        ("[]", "not a job"),
        ("{}", "task"),
        (r#"{"task":"a b"}"#, "task name"),
        (r#"{"task":"naq.tick"}"#, "reserved"),
        (r#"{"task":"t","timout":"5s"}"#, "timout"),
        (r#"{"task":"t","in":"5"}"#, "use a span"),
        (r#"{"task":"t","in":"5s","at":"18:00"}"#, "both"),
        (r#"{"task":"t","at":"tomorrow"}"#, "at:"),
        (r#"{"task":"t","unique_for":"1h"}"#, "unique"),
        (r#"{"task":"t","debounce":"doc-7"}"#, "KEY=DURATION"),
        (r#"{"task":"t","max_wait":"1s"}"#, "needs a debounce"),
        (r#"{"task":"t","throttle":"a=1s","unique":"a"}"#, "leave `unique` out"),
        (r#"{"task":"t","run_after_failure":true}"#, "depends_on"),
        (r#"{"task":"t","concurrency_key":["a"]}"#, "KEY=N"),
        (r#"{"task":"t","retry_delay":"5"}"#, "retry policy"),
        (r#"{"task":"t","policy":"sometimes"}"#, "sometimes"),
        (r#"{"task":"t","timeout":"0s"}"#, "zero"),
    ] {
        let answer = gateway.post("/v1/queues/mail/jobs", job).await;
        assert_eq!(answer.problem(400), "bad-job", "{job}");
        let problem = answer.json(400);
        assert!(problem["detail"].as_str().is_some_and(|it| it.contains(says)), "{job}: {problem}");
        assert!(problem["next"].is_string(), "{problem}");
    }
    let unknown = gateway.enqueue(&json!({"task": "t", "depends_on": ["missing"]})).await;
    assert_eq!(unknown.problem(422), "bad-dependency");
    assert_eq!(
        gateway.post("/v1/queues/a.b/jobs", r#"{"task":"t"}"#).await.problem(400),
        "bad-request"
    );
    let text =
        gateway.send("POST", "/v1/queues/mail/jobs", &[("content-type", "text/plain")], "{}");
    assert_eq!(text.await.problem(415), "media-type");
    let large = json!({"task": "t", "args": "x".repeat(5_000)});
    assert_eq!(gateway.enqueue(&large).await.problem(413), "too-large");
    let lines = [("content-type", "application/jsonl")];
    let many = gateway.send("POST", "/v1/queues/mail/jobs", &lines, "{}\n{}\n{}").await;
    assert_eq!(many.problem(413), "too-large");
    assert!(gateway.client.queues().await.expect("queues").is_empty(), "nothing was stored");
}

#[tokio::test]
async fn a_unique_key_that_is_held_is_an_answer() {
    let gateway = TestGateway::open();
    let job = json!({"task": "t", "unique": "ann"});
    let first = gateway.enqueue(&job).await.json(201);
    let second = gateway.enqueue(&job).await.json(200);
    let holder = format!("mail/{}", first["id"].as_str().expect("an id"));
    assert_eq!((&second["duplicate"], &second["held_by"]), (&json!(true), &json!(holder)));
    assert_eq!(gateway.report(&holder).await.state, JobState::Pending);
}

#[tokio::test]
async fn many_requests_with_a_debounce_are_one_job_with_the_last_arguments() {
    let gateway = TestGateway::open();
    let job = |n: u32| json!({"task": "t", "args": n, "debounce": "doc-7=1h", "max_wait": "2h"});
    let first = gateway.enqueue(&job(1)).await.json(201);
    let second = gateway.enqueue(&job(2)).await.json(200);
    let holder = format!("mail/{}", first["id"].as_str().expect("an id"));
    assert_eq!((&second["duplicate"], &second["held_by"]), (&json!(true), &json!(holder)));
    let report = gateway.report(&holder).await;
    assert_eq!(report.state, JobState::Scheduled);
    assert_eq!(report.envelope.expect("a job").args.decode::<u32>().expect("a number"), 2);

    let keyed = [("idempotency-key", "a"), ("content-type", "application/json")];
    let both = gateway.send("POST", "/v1/queues/mail/jobs", &keyed, job(3).to_string()).await;
    let detail = both.json(400)["detail"].to_string();
    assert!(detail.contains("leave the header out"), "{detail}");

    let throttled = json!({"task": "t", "throttle": "doc-7=1h"});
    gateway.enqueue(&throttled).await.json(201);
    assert_eq!(gateway.enqueue(&throttled).await.json(200)["duplicate"], true);
}
