//! Wait, progress, checkpoint and large results, with a real broker and a real worker.

use naq_testing::eventually;
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE};

#[test]
fn a_wait_prints_only_the_result_to_stdout() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let id = broker.enqueue(&["greet", "--args", r#""Ann""#]);
    let waited = broker.naq(&["job", "wait", &id, "--timeout", "1m"]).ok();
    let result = waited.json();
    assert_eq!((&result["greeting"], &result["to"]), (&json!("hello"), &json!("Ann")));
    assert_eq!(broker.json(&["job", "wait", &id])["state"], "completed");
    let args = ["enqueue", "flaky", "--args", "1", "--retry-delay", "100ms", "--wait"];
    let enqueued = broker.naq(&args).ok();
    assert_eq!(enqueued.line(), "null");
    assert!(enqueued.stderr.starts_with("job "), "its id: {enqueued:?}");
}

#[test]
fn the_exit_code_says_how_the_job_ended() {
    let broker = Broker::start();
    let unknown = broker.naq(&["job", "wait", "nope"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (3, ""), "{unknown:?}");
    let id = broker.enqueue(&["refuse", "--args", r#""too bad""#]);
    let late = broker.naq(&["job", "wait", &id, "--timeout", "100ms"]);
    assert_eq!((late.code, late.stdout.as_str()), (1, ""), "{late:?}");
    assert!(late.stderr.contains("still pending after 100ms"), "{late:?}");
    let _worker = broker.worker(&[]);
    let dead = broker.naq(&["job", "wait", &id, "--timeout", "1m"]);
    assert_eq!((dead.code, dead.stdout.as_str()), (1, ""), "{dead:?}");
    for part in ["ValueError: too bad", "naq dlq requeue"] {
        assert!(dead.stderr.contains(part), "{part}: {dead:?}");
    }
    let dead = broker.naq(&["job", "wait", &id, "-o", "json"]);
    assert_eq!((dead.code, &dead.json()["state"]), (1, &json!("dead")));
    let cancelled = broker.enqueue(&["greet", "--delay", "1h"]);
    broker.naq(&["job", "cancel", &cancelled, "--reason", "a test"]).ok();
    let waited = broker.naq(&["job", "wait", &cancelled]);
    assert!(waited.code == 1 && waited.stderr.contains("was cancelled: a test"), "{waited:?}");
    assert_eq!(broker.naq(&["enqueue", "greet", "--wait-timeout", "1s"]).code, 2);
}

#[tokio::test]
async fn progress_and_checkpoint_are_shown_while_a_job_has_not_ended() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let id = broker.enqueue(&["walk", "--args", "30"]);
    let shown = eventually("some progress", PATIENCE, async || {
        let job = broker.json(&["job", "show", &id]);
        (job["progress"]["done"].as_u64() > Some(5)).then_some(job)
    })
    .await;
    assert_eq!(shown["progress"]["total"], 30, "{shown}");
    assert_eq!(shown["progress"]["message"], "walking", "{shown}");
    assert_eq!(shown["checkpoint"]["attempt"], 1, "{shown}");
    let words = broker.naq(&["job", "show", &id]).ok().stdout;
    for part in [" %", " of 30  walking", "checkpoint", "of attempt 1"] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let watched = broker.watch(&id);
    assert!(watched.stdout.contains("of 30  walking"), "{watched:?}");
    let shown = broker.json(&["job", "show", &id]);
    assert_eq!((&shown["progress"], &shown["result"]), (&Value::Null, &json!(30)), "{shown}");
}

#[test]
fn a_large_result_is_refused_or_stored_as_the_worker_is_configured() {
    let broker = Broker::start();
    let mut refusing = broker.worker(&[]);
    let refused = broker.naq(&["enqueue", "fill", "--args", "5000000", "--wait"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("ResultTooLarge"), "{refused:?}");
    refusing.kill().expect("ends");
    let _storing = broker.worker(&["--large-results", "store"]);
    let stored =
        broker.naq(&["enqueue", "fill", "--id", "large", "--args", "5000000", "--wait"]).ok();
    assert_eq!(stored.line().len(), 5_000_002);
    let words = broker.naq(&["job", "show", "large"]).ok().stdout;
    assert!(
        words.contains("(5000002 bytes; `naq job wait` prints all of it)"),
        "{}",
        &words[..500]
    );
    assert!(words.len() < 4_000);
}
