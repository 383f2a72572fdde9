//! Actions of operators: batches, pauses of a task, drained workers, and the audit log.

use naq_testing::eventually;
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE};

/// A broker with five dead letters of `refuse`, and no worker.
fn broker_with_letters() -> Broker {
    let broker = Broker::start();
    let mut worker = broker.worker(&[]);
    let ids: Vec<_> =
        (0..5).map(|n| broker.enqueue(&["refuse", "--args", &format!("\"no {n}\"")])).collect();
    for id in &ids {
        assert_eq!(broker.watch(id).code, 1);
    }
    worker.kill().expect("a signal");
    broker
}

fn letters(broker: &Broker) -> usize {
    broker.json(&["dlq", "list"]).as_array().map_or(0, Vec::len)
}

fn done(log: &Value) -> Vec<(String, String)> {
    let text = |entry: &Value, field: &str| entry[field].as_str().unwrap_or_default().to_owned();
    let entries = log.as_array().expect("a list");
    entries.iter().map(|entry| (text(entry, "what"), text(entry, "scope"))).collect()
}

#[test]
fn a_drip_is_a_batch_that_can_be_shown_and_undone() {
    let broker = broker_with_letters();
    let drip = ["dlq", "requeue", "--task", "refuse", "--drip", "1/m", "--reason", "it is back"];
    let looked = broker.naq(&[&drip[..], &["--dry-run"]].concat()).ok();
    assert_eq!(looked.line(), "would requeue 5 dead letters of task refuse");
    assert_eq!(letters(&broker), 5);
    let batch = broker.json(&drip);
    let expected = json!({"state": "done", "done": 5, "failed": 0, "reason": "it is back"});
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(&batch[field], value, "{field}: {batch}");
    }
    assert_eq!(letters(&broker), 0);
    assert_eq!(broker.json(&["queue", "info", "default"])["waiting"], 5);
    let id = batch["id"].as_str().expect("an id");
    let listed = broker.json(&["batch", "list"]);
    assert_eq!((listed[0]["id"].as_str(), &listed[0]["stands"]), (Some(id), &json!("done")));
    let words = broker.naq(&["batch", "show", id]).ok();
    for part in ["requeue", "5 dead letters of task refuse", "it is back", "naq batch undo"] {
        assert!(words.stdout.contains(part), "{part}: {words:?}");
    }
    let undone = broker.json(&["batch", "undo", id]);
    assert_eq!((&undone["state"], &undone["undone"]), (&json!("undone"), &json!(5)), "{undone}");
    assert_eq!(letters(&broker), 5);
    assert_eq!(broker.json(&["queue", "info", "default"])["waiting"], 0);
    // Each job is a dead letter as before, and the batch can no longer be undone, cancelled or resumed.
    assert_eq!(broker.json(&["dlq", "list"])[0]["rule"], "fatal");
    assert_eq!(broker.naq(&["batch", "undo", id]).code, 1);
    assert_eq!(broker.naq(&["batch", "cancel", id]).code, 1);
    assert_eq!(broker.naq(&["batch", "resume", id]).code, 0);
    assert_eq!(broker.naq(&["batch", "show", "nobody"]).code, 3);
    assert_eq!(broker.naq(&["batch", "show", "no body"]).code, 2);
    let log = broker.json(&["audit"]);
    let verbs: Vec<_> = done(&log).into_iter().map(|(what, _)| what).collect();
    assert_eq!(verbs, ["undo", "requeue"]);
    assert_eq!((&log[1]["count"], &log[1]["reason"]), (&json!(5), &json!("it is back")), "{log}");
    assert!(log[1]["who"].as_str().is_some_and(|who| who.contains('@')), "{log}");
}

#[test]
fn letters_named_by_id_drip_and_a_wrong_id_changes_nothing() {
    let broker = broker_with_letters();
    let listed = broker.json(&["dlq", "list"]);
    let id = listed[2]["id"].as_str().expect("an id");
    assert_eq!(broker.naq(&["dlq", "requeue", id, "nobody", "--drip", "1/s"]).code, 3);
    assert_eq!(letters(&broker), 5);
    let batch = broker.json(&["dlq", "requeue", id, "--drip", "1/s"]);
    assert_eq!((&batch["done"], &batch["words"]), (&json!(1), &json!("1 selected dead letter")));
    assert_eq!(letters(&broker), 4);
    let none = broker.naq(&["dlq", "requeue", "--task", "unheard.of", "--drip", "1/s"]).ok();
    assert_eq!(none.line(), "would requeue 0 dead letters of task unheard.of");
    assert_eq!(broker.naq(&["dlq", "requeue", "--all", "--drip", "1/s", "--rate", "1/s"]).code, 2);
}

#[test]
fn every_change_is_in_the_audit_log() {
    let broker = broker_with_letters();
    let job = broker.enqueue(&["wait", "--args", "1", "--delay", "1h"]);
    for words in [
        &["queue", "pause", "default", "--for", "1h", "--reason", "a test"][..],
        &["queue", "resume", "default"],
        &["queue", "limit", "default", "3"],
        &["queue", "pause", "default", "--task", "refuse"],
        &["queue", "resume", "default", "--task", "refuse"],
        &["queue", "resume", "default", "--task", "refuse"],
        &["job", "cancel", &job, "--reason", "no more"],
        &["dlq", "requeue", "--all"],
        &["queue", "purge", "default", "--yes"],
        &["breaker", "open", "bank"],
    ] {
        broker.naq(words).ok();
    }
    let log = broker.json(&["audit"]);
    let mut logged = done(&log);
    logged.reverse();
    let expected = [
        ("pause", "queue default".to_owned()),
        ("resume", "queue default".to_owned()),
        ("limit", "queue default to 3".to_owned()),
        ("pause", "task refuse of queue default".to_owned()),
        ("resume", "task refuse of queue default".to_owned()),
        ("cancel", format!("job default/{job}")),
        ("requeue", "5 dead letters".to_owned()),
        ("purge", "queue default".to_owned()),
        ("open", "breaker bank".to_owned()),
    ];
    assert_eq!(logged, expected.map(|(what, scope)| (what.to_owned(), scope)));
    assert_eq!((&log[1]["count"], &log[8]["reason"]), (&json!(5), &json!("a test")), "{log}");
    // The newest entries come first, in pages.
    let page = broker.naq(&["audit", "--limit", "2", "-o", "json"]).ok();
    assert_eq!(page.json().as_array().map(Vec::len), Some(2));
    let before = page.stderr.split("--before ").nth(1).expect("there are more").trim().to_owned();
    let next = broker.json(&["audit", "--limit", "1", "--before", &before]);
    assert_eq!(next[0], log[2]);
    let words = broker.naq(&["audit"]).ok();
    assert!(words.stdout.contains("task refuse of queue default"), "{words:?}");
}

#[tokio::test]
async fn a_paused_task_is_shown_with_its_queue_and_its_jobs_wait() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let first = broker.enqueue(&["greet", "--args", "\"you\""]);
    assert_eq!(broker.watch(&first).code, 0);
    let pause = ["queue", "pause", "default", "--task", "greet", "--for", "1h", "--reason", "late"];
    broker.naq(&pause).ok();
    let shown = broker.json(&["queue", "info", "default"]);
    assert_eq!(shown["paused_tasks"][0]["task"], "greet", "{shown}");
    let words = broker.naq(&["queue", "info", "default"]).ok();
    assert!(words.stdout.contains("open, 1 task paused"), "{words:?}");
    assert!(words.stdout.contains("greet for") && words.stdout.contains(": late"), "{words:?}");
    let held = broker.enqueue(&["greet", "--args", "\"me\""]);
    let other = broker.enqueue(&["wait", "--args", "1"]);
    assert_eq!(broker.watch(&other).code, 0);
    let waits = async || {
        let job = broker.json(&["job", "show", &held]);
        (job["state"] == "scheduled").then_some(job)
    };
    let job = eventually("it is held back", PATIENCE, waits).await;
    assert_eq!((&job["attempt"], &job["attempts"][0]["rule"]), (&json!(1), &json!("paused")));
    let words = broker.naq(&["job", "show", &held]).ok();
    assert!(words.stdout.contains("task greet of queue default is paused by"), "{words:?}");
    broker.naq(&["queue", "resume", "default", "--task", "greet"]).ok();
    assert_eq!(broker.watch(&held).code, 0);
}

#[tokio::test]
async fn a_drained_worker_ends_with_exit_0_and_its_job_is_done() {
    let broker = Broker::start();
    let mut worker = broker.worker(&["--log-level", "debug"]);
    let id = broker.enqueue(&["wait", "--args", "1500"]);
    worker.wait_for_output("attempt 1 of 4 started", PATIENCE).await.expect("it runs");
    let listed = broker.json(&["workers"]);
    let name = listed[0]["worker_id"].as_str().expect("an id").to_owned();
    let drained = broker.json(&["workers", "drain", &name, "--wait", "1m"]);
    assert_eq!((&drained["worker_id"], &drained["gone"]), (&json!(name), &json!(true)));
    assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0), "{}", worker.stderr());
    assert_eq!(broker.json(&["job", "show", &id])["state"], "completed");
    assert_eq!(broker.json(&["workers"]), json!([]));
    let gone = broker.naq(&["workers", "drain", &name]);
    assert!(gone.code == 3 && gone.stderr.contains("naq workers"), "{gone:?}");
    assert_eq!(done(&broker.json(&["audit"]))[0], ("drain".into(), format!("worker {name}")));
}

#[test]
fn what_is_done_to_a_schedule_is_in_the_audit_log_with_the_name_that_by_gives() {
    let broker = Broker::start();
    broker.naq(&["schedule", "add", "nightly", "greet", "--every", "1h", "--by", "ann"]).ok();
    broker.naq(&["schedule", "pause", "nightly"]).ok();
    broker.naq(&["schedule", "delete", "nightly", "--yes"]).ok();
    let log = broker.json(&["audit"]);
    let expected = ["delete", "pause", "create"].map(|it| (it.into(), "schedule nightly".into()));
    assert_eq!(done(&log), expected);
    assert_eq!(log[2]["who"], "ann");
    let who = log[0]["who"].as_str().expect("a name");
    assert!(who.contains('@') && !who.starts_with("unknown"), "{who}");
}
