//! `naq queue` and `naq workers`, against a real broker.

use std::time::Duration;

use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::eventually;
use serde_json::{Value, json};

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
fn purge_of_a_task_leaves_the_other_jobs() {
    let broker = Broker::start();
    for args in [&["greet"] as &[&str], &["greet", "--delay", "1h"], &["bill"], &["bill"]] {
        broker.enqueue(args);
    }
    let purge = |more: &[&str]| {
        broker.json(&[&["queue", "purge", "default", "--task", "greet"], more].concat())
    };
    let both = json!([{ "queue": "default", "jobs": 2 }]);
    assert_eq!(purge(&["--dry-run"]), both);
    assert_eq!(purge(&["--yes"]), both);
    assert_eq!(purge(&["--yes"]), json!([{ "queue": "default", "jobs": 0 }]));
    let info = broker.json(&["queue", "info", "default"]);
    assert_eq!((&info["pending"], &info["waiting"]), (&json!(2), &json!(0)), "{info}");
    let audit = broker.json(&["audit"]).to_string();
    assert!(audit.contains("task greet of the queue default"), "{audit}");
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

#[test]
fn a_queue_at_its_bound_refuses_jobs_and_says_so() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    let bound =
        broker.json(&["queue", "limit", "default", "--max-jobs", "2", "--max-bytes", "1MB"]);
    assert_eq!((&bound["max_jobs"], &bound["max_bytes"]), (&json!(2), &json!(1 << 20)), "{bound}");
    let words = broker.naq(&["queue", "limit", "default", "--max-bytes", "none"]).ok().stdout;
    assert_eq!(words.trim(), "queue default stores at most 2 jobs");
    assert_eq!(broker.naq(&["check", "queue", "default"]).code, 0);
    broker.enqueue(&["greet"]);
    let refused = broker.naq(&["enqueue", "greet"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.stderr.contains("queue default is full"), "{refused:?}");
    assert!(refused.stderr.contains("naq queue info default"), "{refused:?}");
    let info = broker.naq(&["queue", "info", "default"]).ok().stdout;
    assert!(info.contains("bound: at most 2 jobs"), "{info}");
    let checked = broker.naq(&["check", "queue", "default"]);
    assert!(checked.code == 1 && checked.stdout.contains("filled"), "{checked:?}");
    broker.naq(&["queue", "limit", "default", "--max-jobs", "none"]).ok();
    broker.enqueue(&["greet"]);
    assert_eq!(broker.naq(&["queue", "limit", "default"]).code, 2, "it needs a limit");
    assert_eq!(broker.naq(&["queue", "limit", "naq-chores", "--max-jobs", "2"]).code, 3);
}

#[test]
fn a_queue_whose_stream_removes_jobs_is_shown_until_it_is_mended() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    assert_eq!(broker.naq(&["doctor"]).code, 0);
    limit_messages(&broker.server.url(), 5);
    let refused = broker.naq(&["enqueue", "greet"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    let mend = "nats stream edit NAQ_Q_default --max-msgs=-1 --force";
    for words in ["max_msgs 5", mend, "naq queue limit default --max-jobs none"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    let doctor = broker.naq(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains(mend), "{doctor:?}");
    let checked = broker.naq(&["check", "queue", "default"]);
    assert!(checked.code == 2 && checked.stdout.contains("max_msgs 5"), "{checked:?}");
    assert!(broker.naq(&["queue", "list"]).ok().stdout.contains("LOSES JOBS"));
    broker.naq(&["queue", "limit", "default", "--max-jobs", "none"]).ok();
    broker.enqueue(&["greet"]);
    assert_eq!(broker.naq(&["check", "queue", "default"]).code, 0);
}

/// Sets `max_msgs` of the queue's stream, as an operator does by hand.
#[tokio::main(flavor = "current_thread")]
async fn limit_messages(url: &str, max: i64) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let ask = async |verb: &str, body: Vec<u8>| {
        let subject = format!("$JS.API.STREAM.{verb}.NAQ_Q_default");
        let answer = transport.client().request(subject, body.into()).await.expect("answers");
        serde_json::from_slice::<Value>(&answer.payload).expect("JSON")
    };
    let mut config = ask("INFO", Vec::new()).await["config"].take();
    config["max_msgs"] = json!(max);
    let edited = ask("UPDATE", config.to_string().into()).await;
    assert_eq!(edited["config"]["max_msgs"], json!(max), "{edited}");
}

#[test]
fn a_stream_that_froze_on_a_full_disk_is_critical_and_needs_a_restart() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    assert_eq!(broker.naq(&["check", "queue", "default"]).code, 0);
    broker.server.limit_file_size(Some(256 * 1024)).expect("limits");
    fill_stream(&broker.server.url());
    broker.server.limit_file_size(None).expect("lifts the limit");
    let checked = broker.naq(&["check", "queue", "default"]);
    assert_eq!(checked.code, 2, "{checked:?}");
    assert!(checked.stdout.contains("does not answer a store"), "{checked:?}");
    let doctor = broker.naq(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    assert!(doctor.stdout.contains("restart the server"), "{doctor:?}");
}

/// Stores messages in the queue's stream until the server does not answer any more.
#[tokio::main(flavor = "current_thread")]
async fn fill_stream(url: &str) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let client = transport.client();
    for n in 0.. {
        let subject = format!("naq.q.default.fill-{n}");
        let stored = client.request(subject, vec![b'x'; 50_000].into());
        if tokio::time::timeout(Duration::from_secs(1), stored).await.is_err() {
            return;
        }
    }
}
