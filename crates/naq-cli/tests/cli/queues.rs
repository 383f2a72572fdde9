//! `naq queue` and `naq workers`, against a real broker.

use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE};

#[test]
fn a_paused_queue_starts_no_job_until_it_is_resumed() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet", "--queue", "mail"]);
    let paused = broker.json(&["queue", "pause", "mail", "--for", "1h"]);
    assert!(paused[0]["paused_until"].is_string(), "{paused}");
    let _worker = broker.worker(&["mail"]);
    let info = broker.json(&["queue", "info", "mail"]);
    assert!(info["paused_until"].is_string(), "{info}");
    let waited = broker.naq(&["job", "watch", &id, "--timeout", "1s"]);
    assert_eq!(waited.code, 1, "{waited:?}");
    assert!(broker.naq(&["queue", "list"]).ok().stdout.contains("paused for"));
    broker.naq(&["queue", "resume", "mail"]).ok();
    assert_eq!(broker.watch(&id).code, 0);
    assert!(broker.naq(&["queue", "list"]).ok().stdout.contains("open"));
}

#[test]
fn a_pause_without_an_end_lasts_until_it_is_resumed() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    let words = broker.naq(&["queue", "pause", "default"]).ok();
    assert!(words.stdout.contains("paused") && !words.stdout.contains("for"), "{words:?}");
}

#[test]
fn purge_counts_before_it_removes() {
    let broker = Broker::start();
    for _ in 0..3 {
        broker.enqueue(&["greet"]);
    }
    broker.enqueue(&["greet", "--delay", "1h"]);
    let counted = broker.json(&["queue", "purge", "default", "--dry-run"]);
    assert_eq!(counted, json!([{ "queue": "default", "jobs": 4 }]));
    assert_eq!(broker.json(&["queue", "info", "default"])["pending"], 3);
    let purged = broker.json(&["purge", "default", "--yes"]);
    assert_eq!(purged, json!([{ "queue": "default", "jobs": 4 }]));
    let info = broker.json(&["queue", "info", "default"]);
    assert_eq!((&info["pending"], &info["waiting"]), (&json!(0), &json!(0)), "{info}");
}

#[test]
fn empty_lists_are_empty_in_every_format() {
    let broker = Broker::start();
    for args in [["queue", "list"].as_slice(), &["workers"], &["dlq", "list"]] {
        assert_eq!(broker.json(args), json!([]), "{args:?}");
        assert_eq!(broker.naq(&[args, &["-o", "jsonl"]].concat()).ok().stdout, "", "{args:?}");
        let words = broker.naq(args).ok();
        assert!(words.stdout.is_empty() && words.stderr.starts_with("no "), "{args:?}: {words:?}");
    }
}

#[tokio::test]
async fn workers_are_listed_while_they_are_alive() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["mail", "default", "--name", "red", "--concurrency", "3"]);
    let listed = eventually("a worker in the list", PATIENCE, async || {
        broker.json(&["list-workers"]).as_array().and_then(|all| all.first().cloned())
    })
    .await;
    assert_eq!(listed["queues"], json!(["mail", "default"]), "{listed}");
    assert_eq!(listed["concurrency"], 3, "{listed}");
    let id = listed["worker_id"].as_str().expect("an id");
    assert!(id.starts_with("red-"), "{id}");
    assert!(broker.naq(&["workers"]).ok().stdout.contains(id));
    worker.terminate().expect("a signal");
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0));
    eventually("it is gone", PATIENCE, async || broker.json(&["workers"]) == json!([])).await;
}
