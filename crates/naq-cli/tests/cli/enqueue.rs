//! `naq enqueue` with a unique key, at a time, and from a file.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::run::{Broker, Ran, naq};

/// Runs `naq enqueue` with these lines on stdin.
fn lines(broker: &Broker, args: &[&str], lines: &str) -> Ran {
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).arg("enqueue").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("naq starts");
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("written");
    let output = child.wait_with_output().expect("naq ends");
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

#[test]
fn a_unique_key_has_one_job_and_its_id_is_printed() {
    let broker = Broker::start();
    let first = broker.enqueue(&["greet", "--unique", "order-2317"]);
    let second = broker.naq(&["enqueue", "other", "--unique", "order-2317"]).ok();
    assert_eq!(second.line(), first);
    assert!(second.stderr.contains("holds this unique key"), "{second:?}");
    let second = broker.json(&["enqueue", "greet", "--unique", "order-2317"]);
    assert_eq!(second["held_by"], format!("default/{first}"));
    assert_eq!((&second["id"], &second["duplicate"]), (&json!(first), &json!(true)));
    let shown = broker.json(&["job", "show", &first]);
    assert_eq!(shown["state"], "pending", "{shown}");
    // The end of the holder frees the key.
    broker.naq(&["job", "cancel", &first]).ok();
    let next = broker.json(&["enqueue", "greet", "--unique", "order-2317", "--unique-for", "10m"]);
    assert_eq!(next["duplicate"], false);
    broker.naq(&["job", "cancel", next["id"].as_str().expect("an id")]).ok();
    let still = broker.json(&["enqueue", "greet", "--unique", "order-2317"]);
    assert_eq!(still["held_by"], json!(format!("default/{}", next["id"].as_str().expect("an id"))));
}

#[test]
fn a_debounced_job_waits_once_and_has_the_last_arguments() {
    let broker = Broker::start();
    let first = broker.enqueue(&["index", "--args", "1", "--debounce", "doc-7=1h"]);
    let second = ["enqueue", "index", "--args", "2", "--debounce", "doc-7=1h", "--max-wait", "2h"];
    let second = broker.naq(&second).ok();
    assert_eq!(second.line(), first);
    assert!(second.stderr.contains("it has these arguments now"), "{second:?}");
    let line = r#"{"task":"index","args":3,"debounce":"doc-7=30m","max_wait":"2h"}"#;
    lines(&broker, &["--file", "-"], line).ok();
    let shown = broker.json(&["job", "show", &first]);
    assert_eq!((&shown["state"], &shown["args"]), (&json!("scheduled"), &json!(3)), "{shown}");

    let first = broker.enqueue(&["mail", "--throttle", "doc-7=1h"]);
    let second = broker.json(&["enqueue", "mail", "--throttle", "doc-7=1h"]);
    assert_eq!(second["held_by"], format!("default/{first}"));
    let waiting = broker.json(&["job", "list", "--state", "scheduled"]);
    assert_eq!(waiting["jobs"].as_array().map(Vec::len), Some(1), "{waiting}");
}

#[test]
fn large_arguments_are_refused_or_stored_beside_the_job() {
    let broker = Broker::start();
    let text = format!("\"{}\"", "x".repeat(3_000_000));
    let refused = lines(&broker, &["greet", "--args", "-"], &text);
    assert!(
        refused.code != 0 && refused.stderr.contains("at most 983040 are allowed"),
        "{}",
        refused.stderr
    );
    let store = ["greet", "--args", "-", "--large-args", "store", "--id", "one"];
    lines(&broker, &store, &text).ok();
    let jobs = format!("{{\"id\":\"two\",\"args\":{text}}}\n{{\"id\":\"small\"}}\n");
    lines(&broker, &["greet", "--file", "-", "--large-args", "store"], &jobs).ok();
    for id in ["one", "two"] {
        let shown = broker.json(&["job", "show", id]);
        assert_eq!(shown["state"], "pending");
        assert!(shown["args"].as_str().is_some_and(|args| args.len() == 3_000_000), "{id}");
    }
    broker.naq(&["queue", "purge", "default", "--yes"]).ok();
}

#[test]
fn a_time_can_be_written_in_several_forms() {
    let broker = Broker::start();
    for (time, due_at) in [
        ("2199-12-24", "2199-12-24T00:00:00.000Z"),
        ("2199-12-24 18:00", "2199-12-24T18:00:00.000Z"),
        ("2199-12-24T18:00:00+01:00", "2199-12-24T17:00:00.000Z"),
    ] {
        let job = broker.json(&["enqueue", "greet", "--at", time]);
        assert_eq!(job["due_at"], due_at, "{time}");
        let id = job["id"].as_str().expect("an id");
        assert_eq!(broker.json(&["job", "show", id])["due_at"], due_at, "{time}");
    }
    for flag in ["--in", "--delay"] {
        assert!(broker.json(&["enqueue", "greet", flag, "1h"])["due_at"].is_string(), "{flag}");
    }
}

#[test]
fn a_job_after_its_deadline_is_shown_as_expired() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet", "--expires-in", "1ms"]);
    let _worker = broker.worker(&[]);
    assert_eq!(broker.watch(&id).code, 1);
    let job = broker.json(&["job", "show", &id]);
    assert_eq!(job["state"], "expired", "{job}");
    let last = job["attempts"].as_array().and_then(|all| all.last()).expect("an entry");
    assert_eq!((&last["outcome"], &last["decision"]), (&json!("not_run"), &json!("expire")));
    assert_eq!(last["rule"], "deadline", "{job}");
    let shown = broker.naq(&["job", "show", &id]).ok();
    assert!(shown.stdout.contains("expired"), "{shown:?}");
}

const JOBS: &str = r#"
{"task":"greet","args":{"n":1.50},"queue":"a","tags":["x"],"policy":"fixed:1s,max_retries=1"}
{"task":"greet","arg":1}
no json
{"unique":"k","in":"1h"}
{"unique":"k"}

{"task":"a b"}
{"task":"greet","id":"chosen","timeout":"5s","deadline":"2199-12-24"}
{"task":"greet","queue":"no name"}
"#;

#[test]
fn every_line_of_a_file_has_a_result_and_a_bad_line_does_not_stop_the_others() {
    let broker = Broker::start();
    let ran = lines(
        &broker,
        &["other", "--queue", "b", "--tag", "all", "--file", "-", "-o", "jsonl"],
        JOBS,
    );
    assert_eq!(ran.code, 1, "{ran:?}");
    let answers: Vec<Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let results: Vec<_> = answers
        .iter()
        .map(|it| (it["line"].as_u64().expect("a line"), it["error"].is_null()))
        .collect();
    let expected = [
        (2, true),
        (3, false),
        (4, false),
        (5, true),
        (6, true),
        (8, false),
        (9, true),
        (10, false),
    ];
    assert_eq!(results, expected, "{ran:?}");
    assert_eq!(
        answers[4]["held_by"],
        json!(format!("b/{}", answers[3]["id"].as_str().expect("an id")))
    );
    assert!(ran.stderr.contains("stdin: 3 jobs enqueued, 1 existed already, 4 failed"), "{ran:?}");

    let first = broker.json(&["job", "show", answers[0]["id"].as_str().expect("an id")]);
    assert_eq!((&first["queue"], &first["tags"]), (&json!("a"), &json!(["x"])));
    assert_eq!(first["policy"], "fixed:1s,max_retries=1");
    let waits = broker.json(&["job", "show", answers[3]["id"].as_str().expect("an id")]);
    assert_eq!((&waits["task"], &waits["queue"]), (&json!("other"), &json!("b")));
    assert_eq!((&waits["state"], &waits["tags"]), (&json!("scheduled"), &json!(["all"])));
    let chosen = broker.json(&["job", "show", "chosen"]);
    assert_eq!(chosen["deadline"], "2199-12-24T00:00:00.000Z", "{chosen}");
}

#[test]
fn as_text_errors_name_their_line_and_the_ids_are_in_order() {
    let broker = Broker::start();
    let ran = lines(&broker, &["other", "--file", "-"], JOBS);
    assert_eq!((ran.code, ran.stdout.lines().count()), (1, 4), "{ran:?}");
    for part in [
        "line 3: not a job: unknown field `arg`",
        "line 4: not a job: expected ident (column 2)",
        "line 8: not a job: invalid task name \"a b\"",
        "line 10: not a job: invalid queue name",
    ] {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    let array = lines(&broker, &["other", "--file", "-", "-o", "json"], JOBS);
    assert_eq!(array.json().as_array().map(Vec::len), Some(8), "{array:?}");
    let fine = lines(&broker, &["other", "--file", "-"], "{}\n{}");
    assert_eq!((fine.code, fine.stderr.as_str()), (0, "stdin: 2 jobs enqueued\n"), "{fine:?}");
}

#[test]
fn a_file_is_enqueued_to_its_end_also_if_its_results_are_not_read() {
    let broker = Broker::start();
    let text: String = (0..2500).map(|n| format!("{{\"args\":{n}}}\n")).collect();
    // `naq enqueue --file F | head -1`, and a full disk.
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    for (queue, format, stdout, code) in [
        ("closed", "table", Stdio::piped(), 0),
        ("closed-too", "jsonl", Stdio::piped(), 0),
        ("full", "table", full().into(), 1),
        ("full-too", "json", full().into(), 1),
    ] {
        let mut command = naq();
        command.env("NAQ_NATS_URL", broker.server.url());
        command.args(["enqueue", "greet", "--file", "-", "--queue", queue, "-o", format]);
        command.stdin(Stdio::piped()).stdout(stdout).stderr(Stdio::piped());
        let mut child = command.spawn().expect("naq starts");
        drop(child.stdout.take());
        child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("written");
        let ended = child.wait_with_output().expect("naq ends");
        let stderr = String::from_utf8(ended.stderr).expect("UTF-8");
        assert_eq!(ended.status.code(), Some(code), "{queue}: {stderr}");
        assert!(stderr.contains("stdin: 2500 jobs enqueued"), "{queue}: {stderr}");
        assert_eq!(stderr.contains("cannot print the results"), code == 1, "{queue}: {stderr}");
        assert_eq!(broker.json(&["queue", "info", queue])["pending"], 2500, "{queue}");
    }
}

#[test]
fn a_watch_whose_output_is_not_read_does_not_say_that_the_job_completed() {
    let broker = Broker::start();
    let id = broker.enqueue(&["greet"]);
    let mut command = naq();
    command.env("NAQ_NATS_URL", broker.server.url()).args(["job", "watch", &id]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("naq starts");
    drop(child.stdout.take());
    assert_eq!(child.wait().expect("naq ends").code(), Some(141));
}

#[test]
fn thousands_of_lines_are_enqueued() {
    let broker = Broker::start();
    let text: String = (0..2500).map(|n| format!("{{\"args\":{n}}}\n")).collect();
    let ran = lines(&broker, &["greet", "--file", "-"], &text).ok();
    assert_eq!(ran.stdout.lines().count(), 2500);
    assert_eq!(broker.json(&["queue", "info", "default"])["pending"], 2500);
}
