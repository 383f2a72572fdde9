//! Enqueue, show, watch, cancel and retry now, with a real broker and a real worker.

use naq_testing::eventually;
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE};

#[tokio::test]
async fn a_dead_job_is_followed_by_its_follow_up() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let id = broker.enqueue(&["refuse", "--args", "\"no\"", "--on-exhausted", "greet@after"]);
    assert_ne!(broker.watch(&id).code, 0);
    eventually("what follows", PATIENCE, async || {
        let queues = broker.json(&["queue", "list"]);
        let mut queues = queues.as_array().expect("a list").iter();
        queues.any(|queue| queue["name"] == "after" && queue["pending"] == 1)
    })
    .await;
}

#[test]
fn a_flaky_job_shows_all_its_attempts() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let policy =
        ["--max-retries", "4", "--retry-delay", "100ms", "--retry-strategy", "exponential"];
    let id = broker.enqueue(&[&["flaky", "--args", "2", "--tag", "t1"], &policy[..]].concat());
    let watched = broker.watch(&id);
    assert_eq!(watched.code, 0, "{watched:?}");
    for part in [
        "attempt 1 of 5 failed",
        "ConnectionError: the service is down",
        "retry in 200ms",
        "attempt 3 of 5 succeeded",
        "completed",
    ] {
        assert!(watched.stdout.contains(part), "{part}: {}", watched.stdout);
    }
    let job = broker.json(&["job", "show", &id]);
    for (field, value) in [
        ("state", json!("completed")),
        ("queue", json!("default")),
        ("task", json!("flaky")),
        ("attempt", json!(3)),
        ("max_attempts", json!(5)),
        ("policy", json!("exponential:100ms,max_retries=4")),
        ("args", json!(2)),
        ("tags", json!(["t1"])),
        ("result", Value::Null),
    ] {
        assert_eq!(job[field], value, "{field}: {job}");
    }
    let attempts = job["attempts"].as_array().expect("attempts");
    assert_eq!(attempts.len(), 3, "{job}");
    let first = &attempts[0];
    for (field, value) in [
        ("attempt", json!(1)),
        ("outcome", json!("failed")),
        ("error_kind", json!("ConnectionError")),
        ("message", json!("the service is down")),
        ("decision", json!("retry")),
        ("rule", json!("strategy")),
        ("delay_ms", json!(100)),
    ] {
        assert_eq!(first[field], value, "{field}: {first}");
    }
    for field in ["started_at", "ended_at", "worker", "reason"] {
        assert!(first[field].is_string(), "{field}: {first}");
    }
    assert_eq!(attempts[1]["delay_ms"], 200);
    assert_eq!(attempts[2]["decision"], "complete");
}

#[test]
fn a_result_is_returned_unchanged() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    for serializer in ["json", "msgpack"] {
        let args = ["greet", "--args", r#"{"name":"Ann","n":1.50}"#, "--serializer", serializer];
        let id = broker.enqueue(&args);
        assert_eq!(broker.watch(&id).code, 0);
        let job = broker.json(&["job", "show", &id]);
        assert_eq!(job["result"]["greeting"], "hello", "{job}");
        assert_eq!(job["result"]["to"]["n"], 1.5, "{job}");
        assert_eq!(job["args"]["name"], "Ann", "{job}");
    }
}

#[test]
fn the_same_id_twice_is_one_job() {
    let broker = Broker::start();
    let first = broker.json(&["enqueue", "greet", "--id", "job-1"]);
    let again = broker.json(&["enqueue", "greet", "--id", "job-1"]);
    assert_eq!((&first["id"], &first["duplicate"]), (&json!("job-1"), &json!(false)));
    assert_eq!((&again["id"], &again["duplicate"]), (&json!("job-1"), &json!(true)));
    let words = broker.naq(&["enqueue", "greet", "--id", "job-1"]).ok();
    assert!(words.line() == "job-1" && words.stderr.contains("no job was added"), "{words:?}");
    assert_eq!(broker.json(&["queue", "info", "default"])["pending"], 1);
}

#[test]
fn arguments_can_come_from_a_file_and_keep_their_spelling() {
    let broker = Broker::start();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "{\"amount\": 1.50,\n \"big\": 123456789012345678901234567890}\n")
        .expect("writes");
    let at = format!("@{}", file.path().display());
    let id = broker.enqueue(&["greet", "--args", &at]);
    let shown = broker.naq(&["job", "show", &id, "-o", "jsonl"]).ok();
    assert!(
        shown.stdout.contains("1.50") && shown.stdout.contains("123456789012345678901234567890"),
        "{shown:?}"
    );
    assert_eq!(shown.stdout.lines().count(), 1, "{shown:?}");
}

#[test]
fn a_waiting_job_can_be_made_due_and_a_pending_one_cancelled() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet", "--delay", "1h"]);
    let job = broker.json(&["job", "show", &id]);
    assert_eq!(job["state"], "scheduled", "{job}");
    assert!(job["due_at"].is_string(), "{job}");
    let given_up = broker.naq(&["job", "watch", &id, "--timeout", "100ms"]);
    assert_eq!(given_up.code, 1, "{given_up:?}");
    assert_eq!(broker.json(&["job", "retry-now", &id])["state"], "pending");
    let again = broker.naq(&["job", "retry-now", &id]);
    assert_eq!(again.code, 1, "{again:?}");
    let cancelled = broker.json(&["job", "cancel", &id, "--reason", "a test"]);
    assert_eq!(cancelled["state"], "cancelled", "{cancelled}");
    assert!(cancelled.to_string().contains("a test"), "{cancelled}");
    assert_eq!(broker.naq(&["job", "cancel", &id]).code, 1);
    assert_eq!(broker.watch(&id).code, 1);
}

#[test]
fn an_unknown_job_is_exit_3() {
    let broker = Broker::start();
    for args in [
        ["job", "show", "nope"].as_slice(),
        &["job", "watch", "nope"],
        &["job", "cancel", "nope"],
        &["job", "retry-now", "nope"],
        &["job", "show", "nope", "--queue", "mail"],
        &["dlq", "show", "nope"],
        &["dlq", "requeue", "nope"],
        &["dlq", "purge", "nope", "--yes"],
        &["queue", "info", "nope"],
        &["queue", "pause", "nope"],
        &["queue", "resume", "nope"],
        &["queue", "purge", "nope", "--yes"],
    ] {
        let ran = broker.naq(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (3, ""), "{args:?}: {ran:?}");
        assert!(ran.stderr.contains("nope") && ran.stderr.contains("next:"), "{args:?}: {ran:?}");
    }
}
