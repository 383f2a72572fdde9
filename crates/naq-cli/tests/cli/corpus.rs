//! What earlier commits have stored is read, run, listed, requeued and migrated by these programs. The files in
//! `tests/corpus` are made by `scripts/make-corpus`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use naq_core::transport::StatsStore;
use naq_core::{Clock, SystemClock};
use naq_nats::{NatsConfig, NatsTransport};
use naq_testing::{NatsConnection, eventually};
use serde_json::{Value, json};

use crate::run::{Broker, PATIENCE};

/// Headers that the broker reads only when a message is stored. The stored message still has them.
const READ_ONCE: [&str; 3] = ["Nats-Expected-", "Nats-Scheduler:", "Nats-Schedule-Next:"];

/// The folder of each commit.
fn corpora() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let folders = fs::read_dir(all).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut folders: Vec<_> = folders.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

fn text(line: &Value, part: &str) -> Vec<u8> {
    match line[part].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => base64(line[format!("{part}_base64")].as_str().expect("text or base64")),
    }
}

/// Decodes base64 with padding.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |byte: u8| DIGITS.iter().position(|it| *it == byte).expect("a digit") as u32;
    let digits: Vec<u32> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let group = |group: &[u32]| {
        let bits =
            group.iter().enumerate().fold(0, |bits, (i, digit)| bits | digit << (18 - 6 * i));
        let bytes = [(bits >> 16) as u8, (bits >> 8) as u8, bits as u8];
        bytes.into_iter().take(group.len() - 1)
    };
    digits.chunks(4).flat_map(group).collect()
}

/// The headers as they are stored again. A time that has passed since the corpus was made is moved an hour ahead
/// of now, so that each job is where it was.
fn headers(line: &Value) -> Vec<u8> {
    let block = line["hdrs"].as_str().expect("headers are text");
    let hour = (SystemClock.now() + Duration::from_secs(3600)).to_string();
    let mut kept = String::new();
    for header in block.split_terminator("\r\n") {
        if READ_ONCE.iter().any(|name| header.starts_with(name)) {
            continue;
        }
        match header.strip_prefix("Nats-Schedule: @at ") {
            Some(at) if *at < *hour => kept += &format!("Nats-Schedule: @at {hour}"),
            _ => kept += header,
        }
        kept += "\r\n";
    }
    kept.into_bytes()
}

/// Stores a stream with the settings and the sequences that it had.
fn load_stream(raw: &mut NatsConnection, file: &Path) {
    let lines = fs::read_to_string(file).expect("a file");
    let mut lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let config = lines.next().expect("the settings")["config"].take();
    let name = config["name"].as_str().expect("a name");
    let api = format!("$JS.API.STREAM.CREATE.{name}");
    let made = raw.request(&api, &config.to_string()).expect("an answer");
    assert!(!made.contains("\"error\""), "{made}");
    // Where a message was removed, another one takes its sequence and is removed again. From the audit log
    // nothing can be removed, and no entry names a sequence of it.
    let has_gaps = config["deny_purge"] != json!(true);
    let gap = config["subjects"][0].as_str().expect("a subject").replace('>', "default.gap");
    let mut next = 1;
    for line in lines {
        let seq = if has_gaps { line["seq"].as_u64().expect("a sequence") } else { next };
        for _ in next..seq {
            raw.publish(gap.as_bytes(), b"", b"").expect("sent");
        }
        let subject = line["subject"].as_str().expect("a subject");
        let head = headers(&line);
        raw.publish(subject.as_bytes(), &head, &text(&line, "data")).expect("sent");
        next = seq + 1;
    }
    raw.wait_until_read().expect("stored");
    // The broker may still store what it has read.
    let last = || {
        let info = raw.request(&format!("$JS.API.STREAM.INFO.{name}"), "").expect("an answer");
        let info: Value = serde_json::from_str(&info).expect("JSON");
        info["state"]["last_seq"].as_u64()
    };
    let is_stored = std::iter::repeat_with(last).take(1000).any(|last| last == Some(next - 1));
    assert!(is_stored, "each message of {name} is stored");
    let purge = json!({ "filter": gap }).to_string();
    if has_gaps {
        raw.request(&format!("$JS.API.STREAM.PURGE.{name}"), &purge).expect("an answer");
    }
}

/// A broker with all of a corpus, and what the programs that made it said about its jobs.
fn load(folder: &Path) -> (Broker, Value) {
    let broker = Broker::start();
    let mut raw = NatsConnection::connect(&broker.server.address(), "").expect("connects");
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|it| it.expect("an entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|it| it == "jsonl")) {
        load_stream(&mut raw, file);
    }
    let jobs = fs::read_to_string(folder.join("jobs.json")).expect("a file");
    (broker, serde_json::from_str(&jobs).expect("JSON"))
}

impl Broker {
    fn show(&self, key: &str) -> Value {
        let (queue, id) = key.split_once('/').expect("a key");
        self.json(&["job", "show", id, "--queue", queue])
    }

    fn length(&self, args: &[&str], field: &str) -> usize {
        let listed = self.json(args);
        let list = if field.is_empty() { &listed } else { &listed[field] };
        list.as_array().unwrap_or_else(|| panic!("{args:?}: {listed}")).len()
    }

    async fn ends(&self, key: &str, state: &str) -> Value {
        eventually(&format!("{key} is {state}"), PATIENCE, async || {
            let job = self.show(key);
            if job["state"] == state { Ok(job) } else { Err(job) }
        })
        .await
    }
}

fn is_past(time: &Value) -> bool {
    time.as_str().is_some_and(|time| *time < *SystemClock.now().to_string())
}

#[test]
fn each_corpus_is_read_as_the_programs_that_made_it_read_it() {
    let corpora = corpora();
    assert!(!corpora.is_empty());
    for folder in corpora {
        let (broker, jobs) = load(&folder);
        let workers = broker.json(&["workers"]).to_string();
        assert!(workers.contains("killed"), "{}: {workers}", folder.display());
        let jobs = jobs.as_object().expect("a map");
        for (key, before) in jobs {
            let now = broker.show(key);
            for (field, value) in before.as_object().expect("fields") {
                let expected = match (key.as_str(), field.as_str()) {
                    // Its delivery ended with the broker that made it.
                    ("default/running", "state") => &json!("pending"),
                    // Times of the broker, and what is derived from them.
                    (_, "stored_at" | "hold") => continue,
                    // This time was moved ahead.
                    (_, "due_at") if is_past(value) && now["state"] != "completed" => continue,
                    _ => value,
                };
                assert_eq!(&now[field], expected, "{}: {field} of {key}", folder.display());
            }
        }
        broker.lists(jobs.len());
        // The log of an earlier commit than the stream NAQ_AUDIT was entries of the state store. They expire unread.
        let logged = broker.length(&["audit"], "");
        let has_log = folder.join("NAQ_AUDIT.jsonl").is_file();
        assert_eq!(logged > 5, has_log, "{}: {logged} entries", folder.display());
        statistics(&broker.server.url());
        let batch = broker.json(&["batch", "list"])[0]["id"].as_str().expect("an id").to_owned();
        let undone = broker.naq(&["batch", "undo", &batch]);
        assert!(undone.code == 1 && undone.stderr.contains("due by now"), "{undone:?}");
    }
}

impl Broker {
    fn lists(&self, jobs: usize) {
        assert!(jobs >= 19, "{jobs}");
        for (state, jobs) in [("pending", 4), ("scheduled", 2), ("blocked", 1)] {
            let list = ["job", "list", "--queue", "mail", "--state", state];
            assert_eq!(self.length(&list, "jobs"), jobs, "{state}");
        }
        assert_eq!(self.length(&["dlq", "list"], ""), 3);
        let letter = self.json(&["dlq", "show", "dead-1"])["dead"].take();
        assert_eq!(
            (&letter["rule"], &letter["message"]),
            (&json!("fatal"), &json!("no 1")),
            "{letter}"
        );
        let schedules = self.json(&["schedule", "list"]);
        let names: Vec<_> = [0, 1].map(|i| schedules[i]["name"].clone()).into();
        assert_eq!(names, ["nightly", "often"], "{schedules}");
        self.naq(&["schedule", "show", "nightly"]).ok();
        let batches = self.json(&["batch", "list"]);
        assert_eq!(
            (&batches[0]["state"], &batches[0]["done"]),
            (&json!("done"), &json!(1)),
            "{batches}"
        );
        assert_eq!(self.json(&["breaker", "list"])[0]["key"], "bank");
        let mail = self.json(&["queue", "info", "mail"]);
        assert!(mail["paused_tasks"].to_string().contains("a reason"), "{mail}");
        assert_eq!(mail["max_jobs"], 1000, "{mail}");
        assert_eq!(self.length(&["queue", "list"], ""), 3);
        self.json(&["top", "--once"]);
        let result = self.naq(&["job", "wait", "large-result", "--timeout", "1m"]).ok().stdout;
        assert_eq!(result.matches('x').count(), 9100);
    }
}

#[tokio::main(flavor = "current_thread")]
async fn statistics(url: &str) {
    let transport = NatsTransport::connect(NatsConfig::new(url)).await.expect("connects");
    let page = transport.stats_since(0, 100).await.expect("reads");
    assert!(!page.reports.is_empty() && page.unreadable == 0, "{page:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_corpus_runs_and_is_requeued_and_migrated() {
    for folder in corpora() {
        let (broker, _) = load(&folder);
        // The keys of an earlier commit than the stream NAQ_KEYS were entries of the state store, which nobody reads.
        let again = broker.enqueue(&["greet", "--queue", "mail", "--unique", "order-7"]);
        assert_eq!(again == "unique", folder.join("NAQ_KEYS.jsonl").is_file(), "{again}");
        broker.naq(&["job", "cancel", "unique-delayed", "--queue", "mail"]).ok();
        broker.ends("mail/unique-delayed", "cancelled").await;
        let mut worker = broker.worker(&["default", "mail", "follow-ups", "--lease", "2s"]);
        for id in ["pending", "pending-msgpack", "unique", "limited"] {
            let job = broker.ends(&format!("mail/{id}"), "completed").await;
            assert_eq!((&job["attempt"], &job["crashes"]), (&json!(1), &json!(0)), "{job}");
        }
        let msgpack = broker.show("mail/pending-msgpack");
        assert_eq!(msgpack["result"]["to"], json!([1, 2.5, null]), "{msgpack}");
        broker.ends("default/running", "running").await;
        broker.naq(&["job", "cancel", "running"]).ok();
        broker.ends("default/running", "cancelled").await;

        broker.naq(&["job", "retry-now", "retrying"]).ok();
        eventually("it has failed again", PATIENCE, async || {
            let job = broker.show("default/retrying");
            let attempts = job["attempts"].as_array().map_or(0, Vec::len);
            if job["state"] == "retrying" && attempts == 2 { Ok(()) } else { Err(job) }
        })
        .await;
        assert_eq!(broker.show("mail/blocked")["state"], "blocked");
        broker.naq(&["job", "retry-now", "delayed", "--queue", "mail"]).ok();
        broker.ends("mail/delayed", "completed").await;
        broker.ends("mail/blocked", "completed").await;

        broker.naq(&["job", "retry-now", "dead-4"]).ok();
        broker.ends("default/dead-4", "dead").await;
        let before = broker.show("default/dead-1");
        broker.naq(&["dlq", "requeue", "dead-1"]).ok();
        eventually("it is dead again", PATIENCE, async || {
            let job = broker.show("default/dead-1");
            let is_new = job["state"] == "dead" && job["finished_at"] != before["finished_at"];
            if is_new { Ok(()) } else { Err(job) }
        })
        .await;
        broker.naq(&["dlq", "purge", "dead-2", "--yes"]).ok();
        assert_eq!(broker.length(&["dlq", "list"], ""), 3);
        broker.naq(&["schedule", "run", "nightly"]).ok();
        eventually("the follow-ups and the run of the schedule ended", PATIENCE, async || {
            let queues = broker.json(&["queue", "list"]);
            let pending = |queue: &Value| queue["pending"].as_u64().unwrap_or(1);
            let left: u64 = queues.as_array().expect("a list").iter().map(pending).sum();
            if left == 0 { Ok(()) } else { Err(queues) }
        })
        .await;

        // The killed worker of the earlier version is in the list until its entry expires.
        eventually("nothing holds the migration up", PATIENCE, async || {
            let migrated = broker.naq(&["migrate", "--yes", "-o", "json"]);
            if migrated.code == 0 { Ok(()) } else { Err(migrated.stderr) }
        })
        .await;
        let doctor = broker.naq(&["doctor"]).ok().stdout;
        assert!(doctor.contains("schema 2") && !doctor.contains("not written"), "{doctor}");
        let mail = broker.json(&["queue", "info", "mail"]);
        assert!(mail["paused_tasks"].to_string().contains("a reason"), "{mail}");
        let after = broker.enqueue(&["greet", "--queue", "mail"]);
        broker.ends(&format!("mail/{after}"), "completed").await;
        worker.terminate().expect("a signal");
        assert_eq!(worker.wait(PATIENCE).await.expect("ends").code(), Some(0));
    }
}
