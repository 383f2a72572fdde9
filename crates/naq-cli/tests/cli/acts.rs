//! Find jobs, and act on them: cancel all that match; run a job again; requeue a changed copy of a dead one.

use std::fmt::Write;

use serde_json::json;

use crate::run::{Broker, finish, naq};

#[test]
fn all_jobs_that_match_are_cancelled_as_a_batch_after_a_preview() {
    let broker = Broker::start();
    let file = tempfile::NamedTempFile::new().expect("a file");
    // As many as a page of a batch has, so that the next page begins with the next queue.
    let mut lines = String::new();
    for n in 0..100 {
        let line = json!({ "task": "greet", "queue": "mail", "args": n });
        writeln!(lines, "{line}").expect("a string grows");
    }
    writeln!(lines, "{}", json!({ "task": "greet", "queue": "other" })).expect("a string grows");
    std::fs::write(file.path(), lines).expect("writes");
    broker.naq(&["enqueue", "--file", &file.path().display().to_string()]).ok();
    broker.enqueue(&["greet", "--queue", "mail", "--in", "1h"]);
    let other = broker.enqueue(&["wait", "--queue", "mail"]);

    let of_mail = ["job", "cancel", "--queue", "mail", "--task", "greet"];
    let preview = broker.naq(&[&of_mail[..], &["--dry-run"]].concat()).ok().stdout;
    assert!(preview.contains("would cancel 101 live jobs of queue mail, task greet"), "{preview}");
    let unasked = broker.naq(&of_mail);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");

    let greet = ["job", "cancel", "--task", "greet", "--yes", "--reason", "sent by hand"];
    let batch = broker.json(&[&greet[..], &["--state", "pending"]].concat());
    assert_eq!((&batch["state"], &batch["done"]), (&json!("done"), &json!(101)), "{batch}");
    let rest = broker.json(&greet);
    assert_eq!(rest["done"], 1, "the one that waits: {rest}");
    assert_eq!(broker.json(&["job", "show", &other])["state"], "pending");
    let none = broker.naq(&greet).ok().stdout;
    assert!(none.contains("there are no live jobs of task greet"), "{none}");
    let old = broker.json(&["job", "cancel", "--older-than", "1h", "--dry-run"]);
    assert_eq!(old["count"], 0, "no job is that old: {old}");
    let audit = broker.naq(&["audit", "-o", "jsonl"]).ok().stdout;
    assert!(audit.contains("101 pending jobs of task greet"), "{audit}");
    assert!(audit.contains("sent by hand"), "{audit}");

    let dry = broker.naq(&["job", "cancel", &other, "--dry-run"]).ok().stdout;
    assert!(dry.contains("would cancel job") && dry.contains("pending"), "{dry}");
    broker.naq(&["job", "cancel", &other]).ok();
    assert_eq!(broker.json(&["job", "show", &other])["state"], "cancelled");
}

#[test]
fn a_job_that_has_ended_runs_again_and_a_dead_one_gets_a_changed_copy() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let first = broker.enqueue(&["flaky", "--args", "0", "--tag", "t1"]);
    assert_eq!(broker.watch(&first).code, 0);
    let again = broker.naq(&["job", "run-again", &first]).ok().line().to_owned();
    assert_ne!(again, first);
    assert_eq!(broker.watch(&again).code, 0);
    let job = broker.json(&["job", "show", &again]);
    assert_eq!((&job["args"], &job["tags"]), (&json!(0), &json!(["t1"])), "{job}");

    let dead = broker.enqueue(&["refuse", "--args", "\"no\"", "--max-retries", "0"]);
    assert_ne!(broker.watch(&dead).code, 0);
    let edit = ["dlq", "requeue", &dead, "--new-task", "flaky", "--new-args", "0"];
    let dry = broker.json(&[&edit[..], &["--dry-run"]].concat());
    assert_eq!((&dry["task"], &dry["args"]), (&json!("flaky"), &json!(0)), "{dry}");
    let copy = broker.naq(&edit).ok();
    assert!(copy.stderr.contains("naq dlq purge"), "{copy:?}");
    assert_eq!(broker.watch(copy.line()).code, 0);
    let job = broker.json(&["job", "show", copy.line()]);
    assert_eq!((&job["task"], &job["args"]), (&json!("flaky"), &json!(0)), "{job}");
    assert_eq!(broker.json(&["job", "show", &dead])["state"], "dead", "the letter stays");

    let in_editor = |editor: &str| {
        let mut command = naq();
        command.args(["dlq", "requeue", &dead, "--edit"]).env("NAQ_NATS_URL", broker.server.url());
        finish(command.env("EDITOR", editor).env_remove("VISUAL"))
    };
    let copy = in_editor("sed -i 's/\"refuse\"/\"greet\"/'").ok();
    let job = broker.json(&["job", "show", copy.line()]);
    assert_eq!((&job["task"], &job["args"]), (&json!("greet"), &json!("no")), "{job}");
    let unchanged = in_editor("true").ok();
    assert!(unchanged.stdout.is_empty(), "nothing is enqueued: {unchanged:?}");
    let broken = in_editor("sed -i 's/{/(/'");
    assert_eq!(broken.code, 2, "{broken:?}");
    assert_eq!(in_editor("").code, 2, "no editor is set");
    let audit = broker.naq(&["audit", "-o", "jsonl"]).ok().stdout;
    assert!(audit.contains("run-again") && audit.contains("requeue-edited"), "{audit}");
}

#[test]
fn a_job_is_found_by_its_id_its_tag_its_task_and_its_error() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    let dead = broker.enqueue(&["refuse", "--args", "\"no\"", "--max-retries", "0"]);
    assert_ne!(broker.watch(&dead).code, 0);
    let tagged = broker.enqueue(&["greet", "--tag", "order-4711", "--in", "1h"]);
    for (text, id, by) in [
        (&*dead, &dead, "id"),
        (&format!("default/{dead}"), &dead, "id"),
        (&dead[4..20], &dead, "part_of_id"),
        ("ORDER-47", &tagged, "tag"),
        ("refus", &dead, "task"),
        ("valueerror: no", &dead, "error"),
    ] {
        let found = broker.json(&["find", text]);
        let jobs = found["jobs"].as_array().expect("a list");
        let of = |job: &&serde_json::Value| job["job"] == format!("default/{id}");
        let job = jobs.iter().find(of).unwrap_or_else(|| panic!("{text}: {found}"));
        assert_eq!(job["matched_by"], by, "{text}: {found}");
        assert_eq!(jobs.len(), 1, "{text}: {found}");
    }
    let found = broker.naq(&["find", "order-4711"]).ok();
    assert!(found.stdout.contains(&tagged) && found.stdout.contains("scheduled"), "{found:?}");
    assert!(
        found.stderr.contains("of no pending and running jobs, the only waiting job"),
        "{found:?}"
    );
    let none = broker.naq(&["find", "no-such-text"]);
    assert_eq!(none.code, 3, "{none:?}");
}
