//! `naq check`: its output for monitoring systems, and its exit codes.

use std::sync::Arc;
use std::time::Duration;

use naq_client::Client;
use naq_core::transport::{WorkerInfo, WorkerStatus};
use naq_core::{QueueName, Timestamp, WorkerId};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, eventually};
use serde_json::json;

use crate::run::{Broker, PATIENCE, Ran, finish, naq, offline};

const OK: i32 = 0;
const WARNING: i32 = 1;
const CRITICAL: i32 = 2;
const UNKNOWN: i32 = 3;

impl Broker {
    fn check(&self, args: &str) -> Ran {
        let words: Vec<_> = ["check"].into_iter().chain(args.split_whitespace()).collect();
        self.naq(&words)
    }
}

#[test]
fn a_queue_is_checked_by_its_waiting_jobs() {
    let broker = Broker::start();
    for _ in 0..3 {
        broker.enqueue(&["greet", "-q", "mail"]);
    }
    broker.enqueue(&["greet", "-q", "mail", "--delay", "1h"]);
    for (args, code) in [
        ("queue mail", OK),
        ("queue mail --warn-depth 3 --crit-depth 3 --crit-oldest 1h", OK),
        ("queue mail --warn-depth 2 --crit-depth 3", WARNING),
        ("queue mail --crit-depth 2", CRITICAL),
        ("queue mail --crit-oldest 0s", CRITICAL),
        ("queue mail --warn-waiting 0", WARNING),
        ("queue mail --warn-waiting 1", OK),
    ] {
        let ran = broker.check(args);
        assert_eq!(ran.code, code, "{args}: {ran:?}");
    }
    let line = broker.check("queue mail --warn-depth 2 --crit-oldest 1h --format nagios").stdout;
    assert!(line.starts_with("NAQ QUEUE mail WARNING - depth 3 (warning above 2), "), "{line}");
    assert!(line.contains(" | depth=3;2;;0 oldest="), "{line}");
    assert!(line.contains(" waiting=1;;;0 held=3;;;0\n"), "{line}");
    assert!(line.contains("\nno worker takes jobs from queue mail, for "), "{line}");
    assert!(line.contains("\nnext: naq queue info mail\n"), "{line}");
    broker.naq(&["queue", "pause", "mail"]).ok();
    assert!(broker.check("queue mail").ok().stdout.contains("paused until"));
}

#[test]
fn json_and_prometheus_have_the_same_values() {
    let broker = Broker::start();
    broker.enqueue(&["greet", "-q", "mail"]);
    for args in ["queue mail --warn-depth 0 --format json", "queue mail --warn-depth 0 -o json"] {
        let ran = broker.check(args);
        assert_eq!(ran.code, WARNING, "{ran:?}");
        let verdict = ran.json();
        assert_eq!(verdict["status"], "warning", "{verdict}");
        let depth = &verdict["measures"][0];
        assert_eq!((&depth["name"], &depth["value"]), (&json!("depth"), &json!(1)), "{verdict}");
        assert_eq!((&depth["warning"], &depth["critical"]), (&json!(0), &json!(null)));
    }
    let text = broker.check("queue mail --warn-depth 0 --format prometheus").stdout;
    assert!(text.contains("naq_check_status{check=\"queue\",queue=\"mail\"} 1\n"), "{text}");
    assert!(text.contains("naq_check_queue_depth{queue=\"mail\"} 1\n"), "{text}");
}

#[tokio::test]
async fn workers_count_as_alive_while_they_send_heartbeats() {
    let broker = Broker::start();
    let none = broker.check("worker");
    assert_eq!(none.code, CRITICAL, "{none:?}");
    assert!(none.stdout.contains("workers 0 (critical below 1)"), "{none:?}");
    let _worker = broker.worker(&["mail", "--concurrency", "4"]);
    eventually("it is alive", PATIENCE, async || broker.check("worker").code == OK).await;
    for (args, code) in [
        ("worker --queue mail", OK),
        ("worker --queue mail --warn-workers 2", WARNING),
        ("worker --queue other", CRITICAL),
        ("worker --queue other --crit-workers 0", OK),
        ("worker --warn-slots 0", OK),
    ] {
        let ran = broker.check(args);
        assert_eq!(ran.code, code, "{args}: {ran:?}");
    }
    for _ in 0..4 {
        broker.enqueue(&["wait", "-q", "mail", "--args", "600000"]);
    }
    // The worker reports it with its next heartbeat.
    eventually("it is full", PATIENCE, async || {
        broker.check("worker --warn-slots 99%").code == WARNING
    })
    .await;
}

#[tokio::test]
async fn a_worker_with_a_false_heartbeat_does_not_count_as_alive_for_ever() {
    let broker = Broker::start();
    let transport = NatsTransport::connect(NatsConfig::new(broker.server.url())).await;
    let client = Client::new(Arc::new(transport.expect("a connection")));
    for (name, claims) in [("prophet", Timestamp::MAX), ("fossil", Timestamp::from_millis(0))] {
        let liar = WorkerInfo {
            worker_id: WorkerId::new(name).expect("an id"),
            status: WorkerStatus::Busy,
            queues: vec![QueueName::new(name).expect("a name")],
            concurrency: 1,
            running: u32::MAX,
            hostname: "a|b\u{1b}[2J".into(),
            pid: 1,
            version: "9".into(),
            started_at: claims,
            heartbeat_at: claims,
            finished: 0,
            failed: 0,
            signed: Vec::new(),
        };
        client.transport().heartbeat(&liar, Duration::from_secs(3_600)).await.expect("is stored");
        let args = format!("worker --queue {name} --format nagios");
        let ran = broker.check(&args);
        assert_eq!(ran.code, OK, "its heartbeat has just arrived: {ran:?}");
        assert!(
            ran.stdout.contains("slots=100%;") && ran.stdout.contains("corrected for this check"),
            "{ran:?}"
        );
        // From now on it sends no heartbeat, and its entry expires in an hour.
        eventually("it is silent", PATIENCE, async || {
            broker.check(&format!("{args} --silent-after 1s")).code == CRITICAL
        })
        .await;
        let ran = broker.check(&format!("{args} --crit-workers 0 --warn-heartbeat 1s"));
        assert_eq!(ran.code, WARNING, "{ran:?}");
    }
}

#[tokio::test]
async fn all_dead_letters_and_the_new_ones_are_counted() {
    let broker = Broker::start();
    assert_eq!(broker.check("dlq --crit-dead 0 --crit-recent 0").code, OK);
    let _worker = broker.worker(&["mail", "other"]);
    for queue in ["mail", "other", "mail"] {
        let id = broker.enqueue(&["refuse", "-q", queue, "--args", "\"no\""]);
        broker.watch(&id);
    }
    for (args, code) in [
        ("dlq", OK),
        ("dlq --warn-dead 2", WARNING),
        ("dlq --warn-dead 3 --warn-recent 3", OK),
        ("dlq --crit-recent 2", CRITICAL),
        ("dlq --queue mail --crit-recent 1", CRITICAL),
        ("dlq --queue mail --crit-recent 2", OK),
        ("dlq --queue other --crit-dead 0", CRITICAL),
    ] {
        let ran = broker.check(args);
        assert_eq!(ran.code, code, "{args}: {ran:?}");
    }
    let line = broker.check("dlq --crit-recent 0 --format nagios").stdout;
    assert!(
        line.contains("dead 3, recent 1 (critical above 0) | dead=3;;;0 recent=1;;0;0"),
        "{line}"
    );
    eventually("they are old", PATIENCE, async || {
        broker.check("dlq --crit-recent 0 --within 1s").code == OK
    })
    .await;
}

#[test]
fn an_unreachable_broker_is_critical_and_a_wrong_check_is_unknown() {
    let gone = offline(&["check", "queue", "mail", "--format", "nagios"]);
    assert_eq!(gone.code, CRITICAL, "{gone:?}");
    assert!(gone.stdout.starts_with("NAQ QUEUE mail CRITICAL - "), "{gone:?}");
    let text = offline(&["check", "worker", "--format", "prometheus"]);
    assert!(text.stdout.ends_with("naq_check_status{check=\"worker\"} 2\n"), "{text:?}");

    for args in [
        ["check", "queue"].as_slice(),
        &["check", "queue", "a.b"],
        &["check", "queue", "mail", "--warn-depth", "many"],
        &["check", "worker", "--warn-slots", "200"],
        &["check", "nonsense"],
        &["-u", "nats://127.0.0.1:9", "check", "dlq", "--format", "xml"],
        &["check", "queue", "mail", "--warn-depth", "9", "--crit-depth", "5"],
        &["check", "queue", "mail", "--nats-url", "http://x"],
    ] {
        assert_eq!(offline(args).code, UNKNOWN, "{args:?}");
    }
    // Other commands end with the usual code for a usage error.
    assert_eq!(offline(&["enqueue", "check", "--queue", "a.b"]).code, 2);
    assert_eq!(offline(&["check", "--help"]).code, OK);

    let broker = Broker::start();
    let missing = broker.check("queue nowhere --format nagios");
    assert_eq!(missing.code, UNKNOWN, "{missing:?}");
    assert!(missing.stdout.starts_with("NAQ QUEUE nowhere UNKNOWN - no queue nowhere\n"));
}

#[test]
fn refused_credentials_are_unknown_and_are_not_printed() {
    let server =
        NatsServer::builder().config("authorization { token: s3cr3t }").start().expect("a broker");
    let mut command = naq();
    command.env("NAQ_NATS_URL", server.url()).env("NAQ_NATS_TOKEN", "wr0ng");
    let ran = finish(command.args(["check", "dlq", "--format", "nagios"]));
    assert_eq!(ran.code, UNKNOWN, "{ran:?}");
    assert!(ran.stdout.starts_with("NAQ DLQ UNKNOWN - "), "{ran:?}");
    assert!(!format!("{}{}", ran.stdout, ran.stderr).contains("wr0ng"), "{ran:?}");
}
