//! `naq job list`, the ended jobs of a queue, and secrets that are hidden.

use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE};

#[test]
fn jobs_are_listed_page_by_page() {
    let broker = Broker::start();
    for n in 0..5 {
        broker.enqueue(&["greet", "--id", &format!("job-{n}"), "--tag", "odd", "--args", "\"x\""]);
    }
    let first = broker.json(&["job", "list", "--limit", "3", "--oldest-first"]);
    let ids = |page: &serde_json::Value| -> Vec<String> {
        let jobs = page["jobs"].as_array().expect("a list").iter();
        jobs.map(|job| job["job"].as_str().expect("a key").to_owned()).collect()
    };
    assert_eq!(ids(&first), ["default/job-0", "default/job-1", "default/job-2"]);
    assert_eq!(first["jobs"][0]["state"], "pending");
    let next = first["next"].as_str().expect("there is more");
    let last = broker.json(&["job", "list", "--oldest-first", "--cursor", next, "--tag", "odd"]);
    assert_eq!((ids(&last).len(), &last["next"]), (2, &json!(null)));
    let none = broker.json(&["job", "list", "--state", "retrying"]);
    assert_eq!(none["jobs"], json!([]));
}

#[tokio::test]
async fn a_queue_shows_how_its_jobs_ended() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    broker.enqueue(&["greet", "--args", "\"ann\""]);
    let waits = broker.enqueue(&["greet", "--args", "\"bob\"", "--delay", "1h"]);
    broker.json(&["job", "cancel", &waits]);
    eventually("both ends are counted", PATIENCE, async || {
        let queue = broker.json(&["queue", "show", "default"]);
        let expected = json!({"completed": 1, "dead": 0, "cancelled": 1, "expired": 0});
        queue["last_day"] == expected
    })
    .await;
}

#[test]
fn secrets_in_the_arguments_are_shown_only_on_request() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet", "--args", r#"{"to":"ann","apiKey":"k3y"}"#]);
    let shown = broker.json(&["job", "show", &id]);
    assert_eq!(shown["args"], json!({"to": "ann", "apiKey": "[redacted]"}));
    let stored = broker.json(&["job", "show", &id, "--show-secrets"]);
    assert_eq!(stored["args"]["apiKey"], "k3y");
}

#[test]
fn a_job_is_named_as_the_lists_print_it() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet", "--queue", "mail", "--args", "\"ann\""]);
    let listed = broker.json(&["job", "list"]);
    let name = listed["jobs"][0]["job"].as_str().expect("a key").to_owned();
    assert_eq!(name, format!("mail/{id}"));
    for named in [vec![name.as_str()], vec![id.as_str()], vec![name.as_str(), "--queue", "mail"]] {
        let shown = broker.json(&[&["job", "show"], &named[..]].concat());
        assert_eq!(shown["queue"], "mail", "{named:?}");
    }
    let ran = broker.naq(&["job", "show", &name, "--queue", "sms"]);
    assert!(ran.stderr.contains("--queue says sms"), "{ran:?}");
    broker.json(&["job", "cancel", &name]);
    let ran = broker.naq(&["dlq", "show", &name]);
    assert!(ran.stderr.contains(&format!("no dead letter {name}")), "{ran:?}");
}

#[test]
fn jobs_behind_many_queues_without_jobs_are_on_the_first_page() {
    let broker = Broker::start();
    for n in 0..15 {
        let id = broker.enqueue(&["greet", "--queue", &format!("empty-{n:02}")]);
        broker.json(&["job", "cancel", &id]);
    }
    let id = broker.enqueue(&["greet", "--queue", "last"]);
    let page = broker.json(&["job", "list", "--limit", "1"]);
    assert_eq!(page["jobs"][0]["job"], format!("last/{id}"));
    // The list is filled, although a page of the client ends between the two.
    let first = broker.enqueue(&["greet", "--queue", "a-first"]);
    let page = broker.json(&["job", "list"]);
    let jobs: Vec<_> = page["jobs"].as_array().expect("jobs").iter().map(|it| &it["job"]).collect();
    assert_eq!(jobs, [&format!("a-first/{first}"), &format!("last/{id}")]);
    assert_eq!(page["next"], serde_json::Value::Null);
}
