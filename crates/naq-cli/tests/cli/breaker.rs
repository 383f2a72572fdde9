//! `naq breaker`, against a real broker.

use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE};

#[tokio::test]
async fn a_task_is_paused_by_its_breaker_and_runs_again_after_a_reset() {
    let broker = Broker::start();
    let opened = broker.json(&["breaker", "open", "greet", "--reason", "a test"]);
    assert_eq!((&opened["phase"], &opened["by_hand"]), (&json!("open"), &json!(true)), "{opened}");
    let id = broker.enqueue(&["greet"]);
    let _worker = broker.worker(&["default"]);
    eventually("the breaker holds the job", PATIENCE, async || {
        broker
            .naq(&["job", "show", &id])
            .ok()
            .stdout
            .contains("breaker greet was opened by hand: a test")
            && broker.json(&["job", "show", &id])["state"] == "scheduled"
    })
    .await;
    // What holds the job is said where the job is, where the queue is, and to who looks for trouble.
    let info = broker.naq(&["queue", "info", "default"]).ok().stdout;
    for part in
        ["breaker greet was opened by hand: a test", "it holds 1 job", "naq breaker close greet"]
    {
        assert!(info.contains(part), "{part}: {info}");
    }
    let held = &broker.json(&["queue", "info", "default"])["holds"][0];
    assert_eq!(
        (&held["cause"], &held["name"], &held["jobs"]),
        (&json!("breaker"), &json!("greet"), &json!(1))
    );
    assert!(broker.naq(&["top", "--once"]).ok().stdout.contains("breaker greet"));
    assert!(broker.naq(&["doctor"]).stdout.contains("breaker greet"));
    let check = broker.naq(&["check", "queue", "default", "--crit-held", "0"]);
    assert_eq!(check.code, 2, "{check:?}");
    assert!(check.stdout.contains("held 1 (critical above 0)"), "{check:?}");
    let early = broker.naq(&["job", "retry-now", &id]).ok().stdout;
    assert!(early.contains("but it is held: breaker greet was opened by hand"), "{early}");

    let listed = broker.naq(&["breaker", "list"]).ok().stdout;
    let words = ["greet", "open by hand", "no job starts until the breaker is closed", "a test"];
    assert!(words.iter().all(|word| listed.contains(word)), "{listed}");
    let reset = broker.json(&["breaker", "reset", "--all"]);
    assert_eq!(reset, json!([{ "key": "greet", "known": true }]));
    broker.naq(&["job", "retry-now", &id]).ok();
    assert_eq!(broker.watch(&id).code, 0);
    assert_eq!(broker.json(&["breaker", "list"]), json!([]));
}

#[tokio::test]
async fn a_breaker_that_is_closed_by_hand_recovers() {
    let broker = Broker::start();
    broker.naq(&["breaker", "open", "stripe", "--for", "10m"]).ok();
    let shown = broker.naq(&["breaker", "show", "stripe"]).ok().stdout;
    assert!(
        shown.contains("no job starts for") && shown.contains("then the breaker recovers"),
        "{shown}"
    );
    let closed = broker.json(&["breaker", "close", "stripe", "--over", "2s"]);
    assert_eq!(closed["phase"], "recovering", "{closed}");
    eventually("it is closed", PATIENCE, async || {
        broker.json(&["breaker", "show", "stripe"])["phase"] == "closed"
    })
    .await;
    // A reset of a closed or unknown breaker leaves it closed.
    assert_eq!(broker.json(&["breaker", "close", "stripe"])["phase"], "closed");
    assert_eq!(broker.json(&["breaker", "show", "other"])["phase"], "closed");
}

#[test]
fn an_invalid_key_is_a_usage_error() {
    for args in [["breaker", "open", ""].as_slice(), &["breaker", "reset"]] {
        assert_eq!(crate::run::offline(args).code, 2, "{args:?}");
    }
}

#[test]
fn a_key_that_nothing_uses_is_said_when_its_breaker_is_opened() {
    let broker = Broker::start();
    let opened = broker.naq(&["breaker", "open", "stirpe"]).ok();
    assert!(opened.stderr.contains("no task and no breaker is known as stirpe"), "{opened:?}");
    let again = broker.naq(&["breaker", "open", "stirpe"]).ok();
    assert!(!again.stderr.contains("is known as"), "{again:?}");
}
