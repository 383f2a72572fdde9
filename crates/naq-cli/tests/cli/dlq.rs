//! `naq dlq`, against a real broker.

use serde_json::{Value, json};

use crate::run::Broker;

/// A broker with dead letters: three of `refuse` in `default`, two of `flaky` in `mail`.
fn broker_with_letters() -> (Broker, naq_testing::ChildProcess, Vec<String>, Vec<String>) {
    let broker = Broker::start();
    let worker = broker.worker(&["default", "mail"]);
    let refused: Vec<_> =
        (0..3).map(|n| broker.enqueue(&["refuse", "--args", &format!("\"no {n}\"")])).collect();
    let flaky: Vec<_> = (0..2)
        .map(|_| broker.enqueue(&["flaky", "-q", "mail", "--args", "99", "--max-retries", "0"]))
        .collect();
    for id in refused.iter().chain(&flaky) {
        assert_eq!(broker.watch(id).code, 1);
    }
    (broker, worker, refused, flaky)
}

/// The ids in the order of their enqueue. The order in which the jobs died is random.
fn ids(letters: &Value) -> Vec<String> {
    let letters = letters.as_array().expect("a list");
    let mut ids: Vec<_> =
        letters.iter().map(|l| l["id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

#[test]
fn letters_are_listed_and_filtered() {
    let (broker, _worker, refused, flaky) = broker_with_letters();
    assert_eq!(ids(&broker.json(&["dlq", "list"])).len(), 5);
    assert_eq!(ids(&broker.json(&["dlq", "list", "--queue", "mail"])), flaky);
    assert_eq!(ids(&broker.json(&["dlq", "list", "--task", "refuse"])), refused);
    assert_eq!(ids(&broker.json(&["dlq", "list", "--error-kind", "ValueError"])), refused);
    assert_eq!(ids(&broker.json(&["dlq", "list", "--error-kind", "ValueErro"])).len(), 0);
    let letters = broker.json(&["dlq", "list", "--task", "refuse"]);
    let letter = letters.as_array().expect("a list").iter().find(|l| l["id"] == json!(refused[0]));
    let letter = letter.expect("the first");
    for (field, value) in [
        ("queue", json!("default")),
        ("task", json!("refuse")),
        ("attempt", json!(1)),
        ("error_kind", json!("ValueError")),
        ("message", json!("no 0")),
        ("rule", json!("fatal")),
    ] {
        assert_eq!(letter[field], value, "{field}: {letter}");
    }
    let lines = broker.naq(&["dlq", "list", "-o", "jsonl"]).ok();
    assert_eq!(lines.stdout.lines().count(), 5);
    let short = broker.naq(&["dlq", "list", "--limit", "2", "-o", "json"]).ok();
    assert!(short.stderr.contains("--from"), "{short:?}");
    assert_eq!(ids(&short.json()).len(), 2);
    let words = broker.naq(&["dlq", "list"]).ok();
    assert!(words.stdout.contains("ValueError: no 2"), "{words:?}");
}

#[test]
fn a_letter_shows_why_its_job_died() {
    let (broker, _worker, refused, _) = broker_with_letters();
    let letter = broker.json(&["dlq", "show", &refused[1]]);
    assert_eq!(letter["state"], "dead");
    assert_eq!(letter["dead"]["rule"], "fatal");
    assert_eq!(letter["attempts"][0]["message"], "no 1");
    let words = broker.naq(&["dlq", "show", &refused[1]]).ok();
    assert!(words.stdout.contains("never to retry"), "{words:?}");
}

#[test]
fn a_dry_run_counts_the_letters_and_a_requeue_requeues_them() {
    let (broker, mut worker, refused, _) = broker_with_letters();
    let filter = ["dlq", "requeue", "--error-kind", "ValueError"];
    let counted = broker.json(&[&filter[..], &["--dry-run"]].concat());
    assert_eq!((&counted["matched"], &counted["done"]), (&json!(3), &json!(0)), "{counted}");
    assert_eq!(ids(&broker.json(&["dlq", "list"])).len(), 5);
    // Without a worker, requeued jobs stay pending.
    worker.kill().expect("a signal");
    let done = broker.json(&filter);
    assert_eq!((&done["matched"], &done["done"]), (&json!(3), &json!(3)), "{done}");
    assert_eq!(ids(&broker.json(&["dlq", "list"])).len(), 2);
    let job = broker.json(&["job", "show", &refused[0]]);
    assert_eq!((&job["state"], &job["attempt"]), (&json!("pending"), &json!(1)), "{job}");
    assert_eq!(job["attempts"].as_array().map(Vec::len), Some(2), "{job}");
    let gone = broker.naq(&["dlq", "requeue", &refused[0]]);
    assert_eq!(gone.code, 3, "{gone:?}");
}

#[test]
fn with_a_rate_the_broker_stores_a_due_time_for_each_job() {
    let (broker, _worker, refused, _) = broker_with_letters();
    let done = broker.json(&["dlq", "requeue", "--queue", "default", "--rate", "1/h"]);
    assert_eq!((&done["done"], &done["last_due_in_ms"]), (&json!(3), &json!(7_200_000)), "{done}");
    // The first is due at once, the others in one hour and in two.
    assert_eq!(broker.json(&["queue", "info", "default"])["waiting"], 2);
    let is_scheduled = |id: &&String| broker.json(&["job", "show", id])["state"] == "scheduled";
    assert_eq!(refused.iter().filter(is_scheduled).count(), 2);
}

#[test]
fn a_requeue_does_not_include_jobs_that_die_again_meanwhile() {
    let (broker, _worker, ..) = broker_with_letters();
    let done = broker.json(&["dlq", "requeue", "--all"]);
    assert_eq!(done["matched"], 5, "{done}");
}

#[test]
fn a_wrong_id_among_many_changes_nothing() {
    let (broker, _worker, refused, _) = broker_with_letters();
    let ran = broker.naq(&["dlq", "purge", &refused[0], "nope", "--yes"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ids(&broker.json(&["dlq", "list"])).len(), 5);
}

#[test]
fn a_purge_removes_the_selected_letters_only() {
    let (broker, _worker, refused, flaky) = broker_with_letters();
    let counted = broker.naq(&["dlq", "purge", "--task", "refuse", "--dry-run"]).ok();
    assert!(counted.stdout.contains("would remove 3"), "{counted:?}");
    let one = broker.naq(&["dlq", "purge", &refused[0], "--yes"]).ok();
    assert!(one.stdout.contains("removed 1"), "{one:?}");
    broker.naq(&["dlq", "purge", "--task", "refuse", "--yes"]).ok();
    assert_eq!(ids(&broker.json(&["dlq", "list"])), flaky);
    // The record of the job stays, as for every ended job.
    assert_eq!(broker.json(&["job", "show", &refused[0]])["state"], "dead");
}
