//! `naq migrate`, and what `naq doctor` says of streams that are behind or newer.

use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsServer, eventually};
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE, finish, naq, offline};

/// Asks the JetStream API about a stream.
async fn ask(transport: &NatsTransport, verb: &str, stream: &str, body: Vec<u8>) -> Value {
    let subject = format!("$JS.API.STREAM.{verb}.{stream}");
    let answer = transport.client().request(subject, body.into()).await.expect("answers");
    serde_json::from_slice(&answer.payload).expect("JSON")
}

#[tokio::main(flavor = "current_thread")]
async fn config(url: &str, stream: &str) -> Value {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    ask(&transport, "INFO", stream, Vec::new()).await["config"].take()
}

/// Changes a stream by hand.
#[tokio::main(flavor = "current_thread")]
async fn change(url: &str, stream: &str, change: impl Fn(&mut Value)) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let mut config = ask(&transport, "INFO", stream, Vec::new()).await["config"].take();
    change(&mut config);
    let edited = ask(&transport, "UPDATE", stream, config.to_string().into()).await;
    assert!(edited["error"].is_null(), "{edited}");
}

/// Makes the state store as an earlier version makes it, and then all other streams without their schema.
fn make_old(url: &str, run: impl Fn(&[&str])) {
    create_old_state(url);
    run(&["queue", "create", "default"]);
    for stream in ["NAQ_DEAD", "NAQ_RECORDS", "NAQ_Q_default"] {
        change(url, stream, |config| {
            config["metadata"].as_object_mut().expect("a map").remove("naq_schema");
        });
    }
}

#[tokio::main(flavor = "current_thread")]
async fn create_old_state(url: &str) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let old = json!({
        "name": "NAQ_STATE", "subjects": ["naq.k.>"], "retention": "limits", "discard": "old",
        "storage": "file", "num_replicas": 1, "duplicate_window": 120_000_000_000_u64,
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
        "max_msgs_per_subject": 1, "allow_direct": true, "allow_msg_ttl": true,
        "subject_delete_marker_ttl": 1_000_000_000,
    });
    let made = ask(&transport, "CREATE", "NAQ_STATE", old.to_string().into()).await;
    assert!(made["error"].is_null(), "{made}");
}

/// The rows that are not current, as stream and result.
fn results(rows: &Value) -> Vec<(String, String)> {
    let text = |row: &Value, field: &str| row[field].as_str().unwrap_or_default().to_owned();
    let rows = rows.as_array().expect("a list").iter();
    let rows = rows.map(|row| (text(row, "stream"), text(row, "result")));
    rows.filter(|(_, result)| result != "unchanged").collect()
}

const OLD: [&str; 4] = ["NAQ_DEAD", "NAQ_RECORDS", "NAQ_STATE", "NAQ_Q_default"];

fn each(result: &str) -> Vec<(String, String)> {
    OLD.map(|stream| (stream.to_owned(), result.to_owned())).into()
}

#[test]
fn old_streams_are_shown_then_changed_and_what_they_hold_stays() {
    let broker = Broker::start();
    let url = broker.server.url();
    make_old(&url, |args| drop(broker.naq(args).ok()));
    broker.naq(&["schedule", "add", "nightly", "greet", "--cron", "0 3 * * *"]).ok();
    broker.naq(&["queue", "pause", "default", "--task", "greet"]).ok();
    let doctor = broker.naq(&["doctor"]);
    assert_eq!(doctor.code, 1, "{doctor:?}");
    for words in ["next: naq migrate", "as in schema 1", "schema 1, which is not written down"] {
        assert!(doctor.stdout.contains(words), "{words}: {doctor:?}");
    }
    assert!(!doctor.stdout.contains("nats stream edit"), "{doctor:?}");

    let before = OLD.map(|stream| config(&url, stream));
    let planned = broker.json(&["migrate", "--dry-run"]);
    assert_eq!(results(&planned), each("would_change"));
    let rows = planned.as_array().expect("a list");
    let state = rows.iter().find(|row| row["stream"] == "NAQ_STATE").expect("listed");
    let expected = json!({
        "role": "state", "schema": 1, "current": 2, "status": "behind", "older_workers": [],
        "changes": [
            {"setting": "max_msgs_per_subject", "before": 1, "after": -1},
            {"setting": "naq_schema", "before": null, "after": "2"},
        ],
    });
    for (field, value) in expected.as_object().expect("fields") {
        assert_eq!(&state[field], value, "{field}: {state}");
    }
    let words = broker.naq(&["migrate", "--dry-run"]).ok();
    assert!(words.stdout.contains("max_msgs_per_subject 1 to -1"), "{words:?}");
    assert!(words.stderr.contains("NAQ_STATE: all entries stay"), "{words:?}");
    assert_eq!(OLD.map(|stream| config(&url, stream)), before, "a dry run changes nothing");

    let refused = broker.naq(&["migrate"]);
    assert!(refused.code == 2 && refused.stderr.contains("add --yes"), "{refused:?}");
    assert_eq!(OLD.map(|stream| config(&url, stream)), before);

    assert_eq!(results(&broker.json(&["migrate", "--yes"])), each("changed"));
    assert_eq!(results(&broker.json(&["migrate", "--yes"])), []);
    assert_eq!(config(&url, "NAQ_STATE")["max_msgs_per_subject"], -1);
    let doctor = broker.naq(&["doctor"]).ok().stdout;
    assert!(doctor.contains("schema 2") && !doctor.contains("not written down"), "{doctor}");
    assert_eq!(broker.json(&["schedule", "list"])[0]["name"], "nightly");
    let info = broker.json(&["queue", "info", "default"]);
    assert!(info["paused_tasks"].to_string().contains("greet"), "{info}");
    let log = broker.json(&["audit"]);
    assert_eq!((&log[0]["what"], &log[0]["count"]), (&json!("migrate"), &json!(4)), "{log}");
}

#[test]
fn a_newer_schema_is_refused_by_every_command_that_would_use_the_stream() {
    let broker = Broker::start();
    let url = broker.server.url();
    make_old(&url, |args| drop(broker.naq(args).ok()));
    change(&url, "NAQ_Q_default", |config| config["metadata"]["naq_schema"] = json!("7"));
    let before = OLD.map(|stream| config(&url, stream));
    let said = "the stream NAQ_Q_default has schema 7, and this program knows up to 1";
    for args in [
        &["migrate", "--yes"][..],
        &["enqueue", "greet"],
        &["queue", "limit", "default", "--max-jobs", "5"],
    ] {
        let refused = broker.naq(args);
        assert!(refused.code == 1 && refused.stderr.contains(said), "{args:?}: {refused:?}");
    }
    let doctor = broker.naq(&["doctor"]);
    assert!(doctor.code == 1 && doctor.stdout.contains(said), "{doctor:?}");
    let planned = broker.naq(&["migrate", "--dry-run"]).ok();
    assert!(planned.stderr.contains(said), "{planned:?}");
    assert_eq!(OLD.map(|stream| config(&url, stream)), before, "no stream was changed");
}

#[test]
fn a_worker_that_runs_knows_the_schema_and_an_older_one_holds_the_migration_up() {
    let broker = Broker::start();
    let url = broker.server.url();
    make_old(&url, |args| drop(broker.naq(args).ok()));
    let _worker = broker.worker(&["default"]);
    let mut old = listed_worker(&broker);
    old["worker_id"] = json!("old");
    write_entry(&url, &old.to_string());
    let refused = broker.naq(&["migrate", "--yes"]);
    assert_eq!(refused.code, 1, "{refused:?}");
    for words in ["old (", "knows 1)", "naq workers drain"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    write_entry(&url, "");
    assert_eq!(results(&broker.json(&["migrate", "--yes"])), each("changed"));
}

/// The entry of the first worker that is listed, without what a worker says of schemas.
#[tokio::main(flavor = "current_thread")]
async fn listed_worker(broker: &Broker) -> Value {
    eventually("it is listed", PATIENCE, async || {
        let workers = broker.json(&["workers"]);
        workers.get(0).cloned()
    })
    .await
}

/// Writes the entry of a worker, or removes it.
#[tokio::main(flavor = "current_thread")]
async fn write_entry(url: &str, body: &str) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let stored = transport.client().request("naq.w.old", body.to_owned().into()).await;
    stored.expect("stored");
}

#[test]
fn a_migration_that_stopped_between_two_streams_is_repeated() {
    let accounts = "accounts { A { jetstream: enabled, users: [\n\
        { user: admin, password: p }\n\
        { user: half, password: p, permissions: { publish: { deny: \"$JS.API.STREAM.UPDATE.NAQ_STATE\" } } }\n\
        ] } }";
    let server = NatsServer::builder().config(accounts).start().expect("a server");
    let of = |user: &str| format!("nats://{user}:p@{}", server.address());
    let run = |user: &str, args: &[&str]| finish(naq().env("NAQ_NATS_URL", of(user)).args(args));
    make_old(&of("admin"), |args| drop(run("admin", args).ok()));
    let stopped = run("half", &["migrate", "--yes", "-o", "json"]);
    assert_eq!(stopped.code, 5, "{stopped:?}");
    let changed = |stream: &str| (stream.to_owned(), "changed".to_owned());
    let waits = |stream: &str| (stream.to_owned(), "would_change".to_owned());
    let expected = vec![
        changed("NAQ_DEAD"),
        changed("NAQ_RECORDS"),
        waits("NAQ_STATE"),
        waits("NAQ_Q_default"),
    ];
    assert_eq!(results(&stopped.json()), expected);
    assert!(run("admin", &["doctor"]).stdout.contains("next: naq migrate"));
    let rest = run("admin", &["migrate", "--yes", "-o", "json"]).ok().json();
    assert_eq!(results(&rest), vec![changed("NAQ_STATE"), changed("NAQ_Q_default")]);
    assert_eq!(results(&run("admin", &["migrate", "--yes", "-o", "json"]).ok().json()), []);
    run("admin", &["doctor"]).ok();
}

#[test]
fn a_migration_that_is_killed_is_repeated() {
    // However far the killed one came, a repeated one ends the work and loses nothing.
    let mut left = Vec::new();
    for after in [1, 1, 2] {
        let broker = Broker::start();
        let url = broker.server.url();
        make_old(&url, |args| drop(broker.naq(args).ok()));
        broker.naq(&["queue", "pause", "default", "--task", "greet"]).ok();
        kill_at_update(&url, after);
        left.push(results(&broker.json(&["migrate", "--dry-run"])).len());
        broker.json(&["migrate", "--yes"]);
        assert_eq!(results(&broker.json(&["migrate", "--dry-run"])), []);
        broker.naq(&["doctor"]).ok();
        let info = broker.json(&["queue", "info", "default"]);
        assert!(info["paused_tasks"].to_string().contains("greet"), "{info}");
    }
    assert!(
        left.iter().any(|left| (1..OLD.len()).contains(left)),
        "none was between two: {left:?}"
    );
}

/// Kills a migration as soon as its request number `after` to change a stream is seen.
#[tokio::main(flavor = "current_thread")]
async fn kill_at_update(url: &str, after: usize) {
    use futures_util::StreamExt;

    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let client = transport.client();
    let mut updates = client.subscribe("$JS.API.STREAM.UPDATE.>").await.expect("subscribes");
    client.flush().await.expect("subscribed");
    let mut command = naq();
    command.env("NAQ_NATS_URL", url).args(["migrate", "--yes"]);
    let mut child = naq_testing::ChildProcess::spawn(command).expect("starts");
    for _ in 0..after {
        tokio::time::timeout(PATIENCE, updates.next()).await.expect("in time").expect("a request");
    }
    child.kill().expect("killed");
}

#[test]
fn a_migration_without_a_terminal_is_refused_before_the_connection() {
    let refused = offline(&["migrate"]);
    assert_eq!(refused.code, 2, "{refused:?}");
}
