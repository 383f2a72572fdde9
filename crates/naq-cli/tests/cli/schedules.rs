//! `naq schedule`, with and without a broker.

use naq_testing::eventually;
use serde_json::json;

use crate::run::{Broker, PATIENCE, offline};

/// The next runs, as local times of the zone.
fn next(args: &[&str]) -> Vec<String> {
    let runs = offline(&[&["schedule", "next", "-o", "json"], args].concat()).ok().json();
    let local = |run: &serde_json::Value| run["local"].as_str().expect("a text").to_owned();
    runs.as_array().expect("a list").iter().map(local).collect()
}

#[test]
fn the_next_runs_of_an_expression_need_no_broker_and_show_clock_changes() {
    let berlin = ["--tz", "Europe/Berlin", "-n", "2"];
    let spring = [&["--cron", "30 2 * * *", "--from", "2026-03-28 12:00"], &berlin[..]].concat();
    assert_eq!(next(&spring), ["Sun 2026-03-29 03:00:00 CEST", "Mon 2026-03-30 02:30:00 CEST"]);
    let autumn = [&["--cron", "0 * * * *", "--from", "2026-10-25T00:00:00Z"], &berlin[..]].concat();
    assert_eq!(next(&autumn), ["Sun 2026-10-25 02:00:00 CEST", "Sun 2026-10-25 02:00:00 CET"]);
    let every = next(&["--every", "90m", "--from", "2026-01-01", "-n", "2"]);
    assert_eq!(every, ["Thu 2026-01-01 00:00:00 UTC", "Thu 2026-01-01 01:30:00 UTC"]);
    let table = offline(&["schedule", "next", "--cron", "@hourly"]).ok();
    assert_eq!(table.stdout.lines().count(), 6, "{table:?}");
    assert!(table.stdout.contains("in ") && table.stdout.contains("UTC"), "{table:?}");
}

#[test]
fn wrong_arguments_are_refused_before_the_connection() {
    let add = ["schedule", "add", "nightly", "greet"];
    for (args, part) in [
        (&[][..], "no time to run"),
        (&["--cron", "61 * * * *"], "61 * * * *"),
        (&["--cron", "0 0 30 2 *"], "never comes"),
        (&["--cron", "@daily", "--tz", "Europe/Bonn"], "Europe/Bonn"),
        (&["--cron", "@daily", "--every", "1h"], "--every"),
        (&["--every", "100ms"], "200ms"),
        (&["--every", "1h", "--start", "2026-02-01", "--end", "2026-01-01"], "before it starts"),
        (&["--every", "1h", "--count", "0"], "max_runs is zero"),
        (&["--every", "1h", "--catch-up", "some"], "skip, last, all"),
        (&["--every", "1h", "--overlap", "replace"], "allow, skip, queue"),
        (&["--every", "1h", "--args", "{"], "not JSON"),
        (&["--every", "1h", "--retry-jitter", "some"], "jitter"),
    ] {
        let ran = offline(&[&add[..], args].concat());
        assert_eq!(ran.code, 2, "{args:?}: {ran:?}");
        assert!(ran.stderr.contains(part), "{args:?}: {ran:?}");
    }
    let bad = offline(&["schedule", "add", "a.b", "greet", "--every", "1h"]);
    assert!(bad.code == 2 && bad.stderr.contains("schedule name"), "{bad:?}");
    assert_eq!(offline(&["schedule", "delete", "nightly"]).code, 2, "nobody to ask");
    assert_eq!(offline(&["schedule", "list"]).code, 4);
}

#[test]
fn a_schedule_is_added_shown_changed_and_deleted() {
    let broker = Broker::start();
    let add = [
        "schedule",
        "add",
        "nightly",
        "greet",
        "--args",
        "\"Ann\"",
        "--cron",
        "30 2 * * *",
        "--tz",
        "Europe/Berlin",
        "--jitter",
        "10m",
        "--overlap",
        "skip",
        "--max-retries",
        "7",
        "--retry-jitter",
        "full",
        "--tag",
        "a",
        "--queue",
        "mail",
    ];
    let added = broker.json(&add);
    assert_eq!((&added["outcome"], &added["state"]), (&json!("created"), &json!("active")));
    assert_eq!(broker.json(&add)["outcome"], "unchanged");
    let words = broker.naq(&add).ok();
    assert!(
        words.stdout.contains("schedule nightly unchanged") && words.stdout.contains(" in "),
        "{words:?}"
    );

    let shown = broker.json(&["schedule", "show", "nightly"]);
    assert_eq!(shown["job"]["policy"]["max_retries"], 7);
    assert_eq!((&shown["job"]["args"], &shown["job"]["queue"]), (&json!("Ann"), &json!("mail")));
    assert_eq!((&shown["cron"], &shown["jitter_ms"]), (&json!("30 2 * * *"), &json!(600_000)));
    assert_eq!(shown["next"].as_array().map(Vec::len), Some(5), "{shown}");
    let words = broker.naq(&["schedule", "show", "nightly"]).ok().stdout;
    for part in ["At 02:30", "Europe/Berlin", "schedule:nightly", "next runs", "up to 10m", "in "] {
        assert!(words.contains(part), "{part}: {words}");
    }
    assert_eq!(words.matches("02:30:00 CE").count(), 5, "{words}");
    let list = broker.naq(&["schedule", "list"]).ok().stdout;
    assert!(list.contains("nightly") && list.contains("30 2 * * *"), "{list}");
    assert_eq!(
        broker.json(&["schedule", "next", "nightly", "-n", "7"]).as_array().map(Vec::len),
        Some(7)
    );

    // Only the given options change. A variable does not count as given.
    let mut update = crate::run::naq();
    update.env("NAQ_NATS_URL", broker.server.url()).env("NAQ_DEFAULT_QUEUE", "other").args([
        "schedule",
        "update",
        "nightly",
        "--every",
        "1h",
        "--jitter",
        "none",
        "--max-retries",
        "2",
        "--end",
        "2030-01-01",
        "-o",
        "json",
    ]);
    let updated = crate::run::finish(&mut update).ok().json();
    assert_eq!((&updated["every_ms"], &updated["cron"]), (&json!(3_600_000), &json!(null)));
    assert_eq!(
        (&updated["job"]["queue"], &updated["job"]["args"]),
        (&json!("mail"), &json!("Ann"))
    );
    assert_eq!(updated["job"]["policy"]["max_retries"], 2);
    assert_eq!((&updated["jitter_ms"], &updated["overlap"]), (&json!(0), &json!("skip")));
    let cleared = broker.json(&["schedule", "update", "nightly", "--end", "none"]);
    assert_eq!(cleared["end"], json!(null));

    let paused = broker.naq(&["schedule", "pause", "nightly"]).ok();
    assert!(paused.stdout.contains("paused"), "{paused:?}");
    assert_eq!(broker.json(&["schedule", "list"])[0]["state"], "paused");
    assert!(broker.naq(&["schedule", "resume", "nightly"]).ok().stdout.contains("next run"));
    assert_eq!(broker.naq(&["schedule", "delete", "nightly", "--dry-run"]).ok().code, 0);
    broker.naq(&["schedule", "delete", "nightly", "--yes"]).ok();
    for args in [
        &["schedule", "show", "nightly"][..],
        &["schedule", "delete", "nightly", "--yes"],
        &["schedule", "run", "nightly"],
        &["schedule", "pause", "nightly"],
    ] {
        let ran = broker.naq(args);
        assert!(ran.code == 3 && ran.stderr.contains("naq schedule list"), "{args:?}: {ran:?}");
    }
    let none = broker.naq(&["schedule", "list"]).ok();
    assert!(none.stdout.is_empty() && none.stderr.starts_with("no schedules"), "{none:?}");
}

#[tokio::test]
async fn runs_are_made_by_workers_and_by_the_operator() {
    let broker = Broker::start();
    let _worker = broker.worker(&["default"]);
    broker.json(&[
        "schedule", "add", "tick", "greet", "--args", "\"Ann\"", "--every", "300ms", "--count", "3",
    ]);
    let shown = eventually("three runs", PATIENCE, async || {
        let shown = broker.json(&["schedule", "show", "tick"]);
        (shown["state"] == "finished").then_some(shown.clone()).ok_or(shown)
    })
    .await;
    assert_eq!((&shown["runs"], &shown["next"]), (&json!(3), &json!([])));
    let last = shown["last_run"]["id"].as_str().expect("an id");
    assert_eq!(broker.watch(last).code, 0);
    let by_hand = broker.naq(&["schedule", "run", "tick"]).ok();
    assert!(by_hand.line().starts_with("tick-run-"), "{by_hand:?}");
    assert_eq!(broker.watch(by_hand.line()).code, 0);
    assert_eq!(broker.json(&["schedule", "show", "tick"])["runs"], 3);
}

/// Publishes a message that the broker repeats each second, as any program that may enqueue can.
fn publish_repeating(broker: &Broker, id: &str) {
    use std::io::{BufRead, BufReader, Write};
    let headers = format!(
        "NATS/1.0\r\nNats-Schedule: @every 1s\r\nNats-Schedule-Target: naq.q.default.{id}\r\n\r\n"
    );
    let (body, size) = (r#"{"task":"greet"}"#, headers.len());
    let stream = std::net::TcpStream::connect(broker.server.address()).expect("connects");
    let mut stream = BufReader::new(stream);
    let total = size + body.len();
    let text = format!(
        "CONNECT {{\"verbose\":false,\"headers\":true}}\r\n\
         HPUB naq.s.default.{id} {size} {total}\r\n{headers}{body}\r\nPING\r\n"
    );
    stream.get_mut().write_all(text.as_bytes()).expect("written");
    let mut line = String::new();
    while !line.starts_with("PONG") {
        line.clear();
        assert!(stream.read_line(&mut line).expect("an answer") > 0, "closed");
    }
}

#[test]
fn a_message_that_the_broker_repeats_is_named_and_can_be_deleted() {
    let broker = Broker::start();
    broker.enqueue(&["greet"]);
    publish_repeating(&broker, "tick");
    let told =
        "the broker repeats the message default/tick (@every 1s), which is no schedule of NAQ";
    let next = "naq schedule delete default/tick";
    let listed = broker.naq(&["schedule", "list"]).ok();
    assert!(listed.stderr.contains(told) && listed.stderr.contains(next), "{listed:?}");
    let doctor = broker.json(&["doctor"]).to_string();
    assert!(doctor.contains(told) && doctor.contains(next), "{doctor}");
    assert_eq!(broker.naq(&["schedule", "delete", "default/other", "--yes"]).code, 3);
    broker.naq(&["schedule", "delete", "default/tick", "--yes"]).ok();
    let listed = broker.naq(&["schedule", "list"]).ok();
    assert!(!listed.stderr.contains("repeats"), "{listed:?}");
}
