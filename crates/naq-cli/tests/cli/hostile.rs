//! Jobs that try to control the operator's terminal.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use naq_testing::eventually;

use crate::run::{Broker, PATIENCE};

/// Clears the screen, sets the window's title, moves the cursor, reverses the text.
const HOSTILE: &str = r"\u001b[2J\u001b]0;owned\u0007\u009b31m\r\u202egnp.exe\u2066";

fn assert_harmless(text: &str) {
    let found = text.chars().find(|c| {
        (c.is_control() && *c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    });
    assert_eq!(found, None, "{text:?}");
}

#[tokio::test]
async fn control_characters_are_never_printed_raw() {
    let broker = Broker::start();
    let worker = broker.worker(&["--log-level", "debug"]);
    let args = format!("\"{HOSTILE}\"");
    let id = broker.enqueue(&["refuse", "--args", &args]);
    for command in [
        ["job", "watch", &id].as_slice(),
        &["job", "show", &id],
        &["dlq", "list"],
        &["dlq", "show", &id],
    ] {
        for format in ["table", "json", "jsonl"] {
            let ran = broker.naq(&[command, &["-o", format, "--color", "never"]].concat());
            assert!(ran.stdout.contains("owned"), "{command:?}: {ran:?}");
            assert_harmless(&ran.stdout);
            assert_harmless(&ran.stderr);
        }
    }
    assert!(worker.stderr().contains("owned"), "{}", worker.stderr());
    assert_harmless(&worker.stderr());
    // JSON contains the same text, with escapes.
    let job = broker.json(&["job", "show", &id]);
    assert_eq!(job["args"], serde_json::from_str::<serde_json::Value>(&args).expect("json"));
}

#[tokio::test]
async fn control_characters_are_escaped_in_json_logs() {
    let broker = Broker::start();
    let worker = broker.worker(&["--log-level", "debug", "--log-format", "json"]);
    let id = broker.enqueue(&["refuse", "--args", &format!("\"{HOSTILE}\"")]);
    broker.watch(&id);
    let log = eventually("the death in the log", PATIENCE, async || {
        let log = worker.stderr();
        log.contains("owned").then_some(log)
    })
    .await;
    assert_harmless(&log);
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line)
            .unwrap_or_else(|err| panic!("{err}: {line}"));
    }
}

/// Publishes a message as any NATS client can.
fn publish(broker: &Broker, subject: &str, body: &[u8]) {
    let stream = TcpStream::connect(broker.server.address()).expect("connects");
    let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
    let mut w = stream;
    write!(w, "CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n", body.len()).expect("writes");
    w.write_all(body).expect("writes");
    w.write_all(b"\r\nPING\r\n").expect("writes");
    let answered = lines.any(|line| line.expect("reads") == "PONG");
    assert!(answered, "the broker took it");
}

#[tokio::test]
async fn bytes_that_are_not_a_job_are_shown_and_can_be_purged() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    eventually("a worker", PATIENCE, async || broker.json(&["workers"])[0].is_object()).await;
    publish(&broker, "naq.q.default.bytes-1", b"\x1b[2J\xff not a job");
    eventually("a dead letter", PATIENCE, async || broker.json(&["dlq", "list"])[0].is_object())
        .await;
    let letter = broker.json(&["dlq", "show", "bytes-1"]);
    assert_eq!(letter["dead"]["rule"], "undecodable", "{letter}");
    assert_eq!(letter["body_hex"], "1b5b324aff206e6f742061206a6f62", "{letter}");
    for format in ["table", "json"] {
        assert_harmless(&broker.naq(&["dlq", "show", "bytes-1", "-o", format]).ok().stdout);
    }
    broker.naq(&["dlq", "purge", "bytes-1", "--yes"]).ok();
}

#[tokio::test]
async fn a_job_written_by_hand_is_a_job() {
    let broker = Broker::start();
    let _worker = broker.worker(&[]);
    eventually("a worker", PATIENCE, async || broker.json(&["workers"])[0].is_object()).await;
    publish(&broker, "naq.q.default.hand-1", br#"{"task":"greet","args":"Ann"}"#);
    let result = eventually("a result", PATIENCE, async || {
        let ran = broker.naq(&["job", "show", "hand-1", "-o", "json"]);
        (ran.code == 0).then(|| ran.json()).filter(|job| job["state"] == "completed")
    })
    .await;
    assert_eq!(result["result"]["to"], "Ann", "{result}");
}
