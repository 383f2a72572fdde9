//! The bytes on the wire, as files: what other programs write, and what they may rely on reading.
//! They were not written by this crate's encoder. They change with the wire version, or never.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::time::Duration;

use bytes::Bytes;
use naq_core::retry::{RetryPolicy, Rule};
use naq_core::transport::{JobKey, Place, Stored};
use naq_core::wire::{AttemptOutcome, Nonce, WireMessage, headers};
use naq_core::{
    AttemptRecord, Codec, DeadLetter, Envelope, ErrorKind, FinalRecord, Jitter, JobId, JobState,
    Payload, QueueName, Strategy, TaskName, Timestamp, WorkerId,
};
use serde_json::json;

fn golden(name: &str, codec: Codec) -> Bytes {
    let path = format!("{}/tests/golden/{name}.{codec}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|err| panic!("{path}: {err}")).into()
}

fn stored(place: Place, queue: &str, body: Bytes, codec: Codec) -> Stored {
    Stored {
        key: JobKey::new(QueueName::new(queue).unwrap(), JobId::new("job-1").unwrap()),
        place,
        seq: 7,
        stored_at: at("2026-11-23T12:00:00.000Z"),
        due_at: None,
        delivered: false,
        message: WireMessage::new(body).with(headers::CONTENT_TYPE, codec.content_type()),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn args(codec: Codec, value: &serde_json::Value) -> Payload {
    // A payload keeps its bytes, so its maps are in the order in which they were written.
    Payload::encode(codec, value).unwrap()
}

fn job(queue: &str, args: Payload) -> Envelope {
    let (queue, id) = (QueueName::new(queue).unwrap(), JobId::new("job-1").unwrap());
    let task = TaskName::new("email.send").unwrap();
    let mut job = Envelope::new(queue, id, task, args, at("2026-11-23T12:00:00.000Z"));
    job.nonce = Nonce::parse("0a1b2c3d4e5f").unwrap();
    job
}

#[derive(serde::Serialize)]
struct Mail {
    to: &'static str,
    copies: u8,
}

fn full(codec: Codec) -> Envelope {
    let mail = Mail { to: "ä@example.com", copies: 2 };
    let mut job = job("mail", Payload::encode(codec, &mail).unwrap());
    job.set_policy(
        RetryPolicy::builder()
            .max_retries(10)
            .strategy(Strategy::Exponential)
            .delay(Duration::from_secs(1))
            .multiplier(3.0)
            .max_delay(Duration::from_secs(60))
            .jitter(Jitter::Full)
            .retry_on(["ConnectionError", "HTTPError.503"])
            .ignore_on(["ValueError"])
            .retry_for(Duration::from_secs(86_400))
            .max_crashes(5)
            .build(),
    );
    job.timeout = Some(Duration::from_millis(1500));
    job.deadline = Some(at("2026-11-24T12:00:00.000Z"));
    job.record_ttl = Duration::from_secs(600);
    job.tags = vec!["news".into(), "über".into()];
    job.traceparent = Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    job.due_at = Some(at("2026-11-23T12:05:00.250Z"));
    job
}

fn retrying(codec: Codec) -> Envelope {
    let mut job = job("default", args(codec, &json!([1, null, true])));
    job.attempt = 2;
    job.crashes = 1;
    job.snoozes = 1;
    job.first_started_at = Some(at("2026-11-23T12:00:00.010Z"));
    job.due_at = Some(at("2026-11-23T12:01:15.200Z"));
    let due_at = Some(at("2026-11-23T12:00:05.020Z"));
    job.record(AttemptRecord {
        started_at: job.first_started_at,
        ended_at: Some(at("2026-11-23T12:00:00.020Z")),
        worker: Some(WorkerId::new("web-1").unwrap()),
        error_kind: Some(ErrorKind::from("ConnectionError.refused")),
        message: Some("connection refused".into()),
        decision: Some("retry".into()),
        rule: Some(Rule::Strategy),
        reason: Some(
            "attempt 1 of 4 failed with ConnectionError.refused: retry 1 in 5s (fixed)".into(),
        ),
        delay_ms: Some(5000),
        ..AttemptRecord::new(1, AttemptOutcome::Failed)
    });
    job.record(AttemptRecord { due_at, ..AttemptRecord::new(2, AttemptOutcome::Crashed) });
    job.record(AttemptRecord {
        due_at,
        started_at: Some(at("2026-11-23T12:00:15.100Z")),
        ended_at: Some(at("2026-11-23T12:00:15.200Z")),
        worker: Some(WorkerId::new("web-2").unwrap()),
        decision: Some("snooze".into()),
        rule: Some(Rule::Snooze),
        delay_ms: Some(60_000),
        ..AttemptRecord::new(2, AttemptOutcome::Snoozed)
    });
    job
}

const CODECS: [Codec; 2] = [Codec::Json, Codec::MsgPack];

#[test]
fn a_minimal_job_is_read_with_its_defaults() {
    for codec in CODECS {
        let stored = stored(Place::Queue, "mail", golden("minimal", codec), codec);
        let read = stored.envelope().unwrap();
        let mut expected = job("mail", args(codec, &json!({"to": "a@example.com"})));
        expected.nonce = Nonce::of_message(7, stored.stored_at);
        assert_eq!(read, expected, "{codec}");
    }
}

#[test]
fn a_full_job_is_read_and_written_to_the_byte() {
    for codec in CODECS {
        let body = golden("full", codec);
        let mut read = stored(Place::Queue, "mail", body.clone(), codec).envelope().unwrap();
        assert_eq!(read.encode().unwrap(), body, "{codec}: rewritten");
        // A job that was read has its policy as it was written. A new job has none.
        read.set_policy(read.policy.clone());
        assert_eq!(read, full(codec), "{codec}: read");
        assert_eq!(full(codec).encode().unwrap(), body, "{codec}: written");
    }
}

#[test]
fn a_job_that_retries_is_read_and_written_to_the_byte() {
    for codec in CODECS {
        let body = golden("retrying", codec);
        let read = stored(Place::Schedule, "default", body.clone(), codec).envelope().unwrap();
        assert_eq!(read, retrying(codec), "{codec}: read");
        let message = retrying(codec).to_message().unwrap();
        assert_eq!(message.body, body, "{codec}: written");
        assert_eq!(message.header("content-type"), Some(codec.content_type()));
        assert_eq!(message.header("naq-step"), Some("0a1b2c3d4e5f/2/1"));
    }
}

#[test]
fn a_record_is_read_and_written_to_the_byte() {
    for codec in CODECS {
        let body = golden("record", codec);
        let expected = FinalRecord {
            envelope: retrying(codec),
            state: JobState::Completed,
            finished_at: at("2026-11-23T12:01:16.000Z"),
            result: Some(args(codec, &json!({"sent": true}))),
        };
        let read = stored(Place::Record, "default", body.clone(), codec).record().unwrap();
        assert_eq!(read, expected, "{codec}: read");
        assert_eq!(expected.to_message().unwrap().body, body, "{codec}: written");
    }
}

#[test]
fn the_headers_of_a_dead_letter_are_read_and_written_unchanged() {
    let text = include_str!("golden/dead.txt");
    let body = golden("retrying", Codec::Json);
    let mut message = WireMessage::new(body.clone());
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        message = message.with(name, value);
    }
    let letter = DeadLetter {
        step: "0a1b2c3d4e5f/2/1".parse().unwrap(),
        task: Some(TaskName::new("email.send").unwrap()),
        error_kind: ErrorKind::http(503),
        message: "the service is down".into(),
        rule: Rule::MaxRetries,
        reason: "attempt 2 of 2 failed with HTTPError.503, and no retry is left".into(),
        died_at: at("2026-11-23T12:01:16.000Z"),
        content_type: Some("application/json".into()),
        body,
    };
    let stored = Stored {
        message: message.clone(),
        ..stored(Place::Dead, "default", Bytes::new(), Codec::Json)
    };
    assert_eq!(stored.dead_letter(), letter);
    assert_eq!(stored.envelope().unwrap(), retrying(Codec::Json), "and it can be replayed");
    let sorted = |message: &WireMessage| {
        let mut all: Vec<_> =
            message.headers().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        all.sort();
        all
    };
    assert_eq!(sorted(&letter.to_message()), sorted(&message));
}

#[test]
fn an_old_reader_reads_new_data_and_keeps_what_it_does_not_know() {
    for codec in CODECS {
        let body = golden("newer", codec);
        let mut read = stored(Place::Queue, "default", body, codec).envelope().unwrap();
        assert_eq!((read.attempt, read.policy.max_retries()), (2, 9));
        assert_eq!(read.history[0].outcome, AttemptOutcome::Unknown);
        assert_eq!(read.history[0].rule, Some(Rule::Unknown));
        read.attempt = 3;
        let rewritten = read.encode().unwrap();
        // The new reader finds its fields again, in any codec.
        let value: serde_json::Value = codec.decode(&rewritten).unwrap();
        assert_eq!(value["attempt"], 3);
        assert_eq!(value["priority"], 7);
        assert_eq!(value["zone"], json!({"a": [1, {"b": null}]}));
        assert_eq!(value["policy"]["budget"], json!({"per_minute": 10}));
        let again = stored(Place::Queue, "default", rewritten, codec).envelope().unwrap();
        assert_eq!(again, read);
    }
}

#[test]
fn a_new_reader_reads_the_oldest_data() {
    // A writer that knows nothing but version 1's required field, and one that says its version.
    for body in [r#"{"task":"email.send"}"#, r#"{"task":"email.send","v":1}"#] {
        let body = Bytes::from_static(body.as_bytes());
        let read = stored(Place::Queue, "default", body, Codec::Json).envelope().unwrap();
        assert_eq!((read.attempt, read.crashes, read.history.len()), (1, 0, 0));
    }
}
