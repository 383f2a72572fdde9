//! Invalid messages give a typed error, short and printable, and never a panic.
#![cfg(feature = "jobs")]
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::Bytes;
use naq_core::transport::Stored;
use naq_core::wire::{DecodeError, MAX_ENVELOPE_BYTES, WireMessage, headers};
use naq_core::{Codec, Timestamp};
use proptest::prelude::*;

use support::delivered;

mod support;

const CODECS: [Codec; 2] = [Codec::Json, Codec::MsgPack];

fn stored(content_type: Option<&str>, body: impl Into<Bytes>) -> Stored {
    let message = WireMessage::new(body.into());
    delivered(match content_type {
        Some(text) => message.with(headers::CONTENT_TYPE, text),
        None => message,
    })
}

/// Looks at a message from every side. Whatever it is: no panic, and an error that can be shown.
fn look(stored: &Stored) -> Result<(), DecodeError> {
    let letter = stored.dead_letter();
    assert_eq!(letter.body, stored.message.body);
    stored.step();
    for err in [stored.envelope().err(), stored.record().err()].into_iter().flatten() {
        let text = err.to_string();
        assert!(text.len() <= 600, "{} bytes of error", text.len());
        assert!(!text.chars().any(char::is_control), "{text:?}");
    }
    stored.envelope().map(|job| {
        // A job that can be read can be written and read again.
        let again = stored_again(stored, job.encode().expect("what was read can be written"));
        assert_eq!(again.envelope().expect("what was written can be read"), job);
    })
}

fn stored_again(before: &Stored, body: Bytes) -> Stored {
    stored(before.message.header(headers::CONTENT_TYPE), body)
}

fn golden(name: &str, codec: Codec) -> Vec<u8> {
    let path = format!("{}/tests/golden/{name}.{codec}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(path).unwrap()
}

fn all_golden() -> impl Iterator<Item = (Codec, Vec<u8>)> {
    CODECS.into_iter().flat_map(|codec| {
        ["minimal", "full", "retrying", "record", "newer"].map(|name| (codec, golden(name, codec)))
    })
}

#[test]
fn a_truncated_job_is_refused() {
    let mut cuts = 0;
    for (codec, whole) in all_golden() {
        for end in 0..whole.len() {
            let cut = stored(Some(codec.content_type()), whole[..end].to_vec());
            assert!(look(&cut).is_err(), "{codec}: the first {end} bytes of {}", whole.len());
            cuts += 1;
        }
    }
    assert!(cuts > 4000, "{cuts}");
}

#[test]
fn a_job_with_a_changed_byte_never_panics() {
    let mut refused = 0;
    for (codec, whole) in all_golden() {
        for place in 0..whole.len() {
            for change in [0x00, 0x7f, 0x80, 0xc1, b'"'] {
                let mut body = whole.clone();
                body[place] = change;
                refused += usize::from(look(&stored(Some(codec.content_type()), body)).is_err());
            }
        }
    }
    assert!(refused > 4000, "{refused}");
}

#[test]
fn a_job_in_the_wrong_codec_is_refused() {
    for (codec, whole) in all_golden() {
        let other = CODECS.into_iter().find(|other| *other != codec).unwrap();
        assert!(look(&stored(Some(other.content_type()), whole.clone())).is_err());
        for unknown in ["text/plain", "", "application/json-seq", &"x/".repeat(5000), "a\u{1b}[2J"]
        {
            let read = look(&stored(Some(unknown), whole.clone()));
            assert!(matches!(read, Err(DecodeError::ContentType(_))), "{unknown:?}");
        }
    }
    // Parameters are no other type, and nothing at all is JSON.
    let body = golden("minimal", Codec::Json);
    assert!(look(&stored(Some("application/json; charset=utf-8"), body.clone())).is_ok());
    assert!(look(&stored(None, body)).is_ok());
}

#[test]
fn deep_nesting_is_refused_without_a_stack_overflow() {
    for depth in [200, 10_000, 200_000] {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        // Where it is read.
        let read = [
            format!("{open}{close}"),
            format!(r#"{{"task":{open}{close}}}"#),
            format!(r#"{{"task":"t","tags":{open}{close}}}"#),
            format!(r#"{{"task":"t","policy":{{"delay_ms":{open}{close}}}}}"#),
            format!(r#"{{"task":"t","history":{open}{close}}}"#),
        ];
        for body in read {
            assert!(look(&stored(None, body)).is_err());
        }
        // Where it is only carried, the handler's decoder refuses it.
        let carried = stored(None, format!(r#"{{"task":"t","args":{open}{close}}}"#));
        let job = carried.envelope().unwrap();
        assert!(job.args.decode::<serde_json::Value>().is_err());
        let unclosed = format!(r#"{{"task":"t","args":{open}"#);
        assert!(look(&stored(None, unclosed)).is_err());

        for nest in [&[0x91][..], &[0x81, 0xa1, b'a'], &[0xdc, 0, 1]] {
            let mut body = b"\x82\xa4task\xa1t\xa4args".to_vec();
            body.extend(nest.repeat(depth));
            body.push(0xc0);
            assert!(look(&stored(Some("application/msgpack"), body)).is_err());
        }
    }
}

#[test]
fn a_body_that_is_too_long_is_refused_before_it_is_decoded() {
    let long = format!(r#"{{"task":"t","args":"{}"}}"#, "x".repeat(2 * MAX_ENVELOPE_BYTES));
    assert!(matches!(look(&stored(None, long)), Err(DecodeError::TooLarge { .. })));
    // A length that is only claimed.
    for claim in [
        &b"\xdf\xff\xff\xff\xff\xa4task"[..],
        b"\x81\xdb\xff\xff\xff\xfftask",
        b"\x81\xa4task\xc6\xff\xff\xff\xff",
    ] {
        assert!(look(&stored(Some("application/msgpack"), claim.to_vec())).is_err());
    }
}

#[test]
fn a_newer_version_is_refused_with_its_number() {
    for version in ["4", "99", "18446744073709551615"] {
        let read = look(&stored(None, format!(r#"{{"task":"t","v":{version}}}"#)));
        assert!(matches!(read, Err(DecodeError::Version { known: 3, .. })), "{version}");
    }
}

#[test]
fn every_field_of_a_wrong_type_is_named() {
    let fields = [
        "task",
        "v",
        "id",
        "queue",
        "policy",
        "timeout_ms",
        "enqueued_at",
        "deadline",
        "record_ttl_ms",
        "tags",
        "traceparent",
        "nonce",
        "attempt",
        "crashes",
        "snoozes",
        "first_started_at",
        "due_at",
        "history",
    ];
    let wrong = ["{\"a\":[1]}", "[[[]]]", "-1", "1.5", "true", "\"\\u0000\\u001b[2J\"", "1e999"];
    for codec in CODECS {
        for field in fields {
            for value in wrong {
                // Traces are opaque text; everything else refuses a control character.
                if field == "traceparent" && value.starts_with('"') {
                    continue;
                }
                // An empty policy of another shape is a map, and unknown keys are passed over.
                if field == "policy" && value.starts_with('{') {
                    continue;
                }
                let json = match field {
                    "task" => format!(r#"{{"task":{value}}}"#),
                    _ => format!(r#"{{"task":"t","{field}":{value}}}"#),
                };
                let body = match codec {
                    Codec::Json => json.clone().into_bytes(),
                    // MessagePack has no number beyond its range.
                    _ if value == "1e999" => continue,
                    _ => {
                        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
                        codec.encode("a job", &value).unwrap().to_vec()
                    }
                };
                let err = look(&stored(Some(codec.content_type()), body)).expect_err(&json);
                assert!(err.to_string().contains(field), "{json}: {err}");
            }
        }
    }
}

#[test]
fn names_that_would_break_a_subject_or_a_terminal_are_refused() {
    let bad = [
        "a.*",
        "naq.>",
        "a b",
        "",
        "\u{1b}[31m",
        "a\r\nNats-Schedule: @at",
        "\u{202e}x",
        &"x".repeat(300),
    ];
    for name in bad {
        for field in ["id", "queue", "nonce", "task"] {
            // A dot is part of many a task's name.
            let mut job = serde_json::json!({"task": "t"});
            job[field] = name.into();
            let body = serde_json::to_vec(&job).unwrap();
            let err = look(&stored(None, body)).expect_err(name);
            assert!(matches!(err, DecodeError::Field { .. }), "{field} {name:?}: {err}");
        }
    }
}

#[test]
fn an_error_quotes_only_the_start_of_its_input() {
    let long = "x\u{1b}".repeat(50_000);
    for field in ["task", "attempt", "policy", "deadline", "history", "tags", "v", &long] {
        let mut job = serde_json::json!({"task": "t"});
        job[field] = long.as_str().into();
        for (codec, body) in CODECS.map(|codec| (codec, codec.encode("a job", &job).unwrap())) {
            // `look` checks the length and the characters of every error.
            let read = look(&stored(Some(codec.content_type()), body));
            assert_eq!(read.is_err(), field != long, "{codec}: {}", &field[..1]);
        }
    }
    let mut job = serde_json::json!({"task": "t"});
    job["policy"] = serde_json::json!({"strategy": long, "retry_on": [long]});
    assert!(look(&stored(None, serde_json::to_vec(&job).unwrap())).is_err());
    let twice = format!(r#"{{"{0}":1,"{0}":1}}"#, "y".repeat(1000));
    assert!(look(&stored(None, twice)).is_err());
}

#[test]
fn a_dead_letter_with_unreadable_headers_and_body_can_be_shown() {
    let mut message = WireMessage::new(Bytes::from_static(b"\xff"));
    for name in [headers::STEP, headers::TASK, headers::ERROR_KIND, headers::RULE, headers::DIED_AT]
    {
        message = message.with(name, "\u{1b}[2J */\n> ".repeat(100));
    }
    let letter = Stored { message, ..stored(None, "") }.dead_letter();
    assert_eq!((letter.task, letter.step.attempt, &letter.body[..]), (None, 1, &b"\xff"[..]));
    assert_eq!(letter.died_at, Timestamp::from_millis(1000));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]

    #[test]
    fn arbitrary_bytes_never_panic(body in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3usize) {
        let kind = [None, Some("application/json"), Some("application/msgpack")][kind];
        let _ = look(&stored(kind, body));
    }

    #[test]
    fn arbitrary_maps_never_panic(
        map in prop::collection::btree_map(
            prop_oneof!["task|v|args|policy|history|tags|attempt|nonce|due_at", ".{0,9}"],
            prop_oneof![
                any::<i64>().prop_map(serde_json::Value::from),
                ".{0,20}".prop_map(serde_json::Value::from),
                Just(serde_json::json!({"max_retries": 1, "delay_ms": [1, 2]})),
                Just(serde_json::json!([{"attempt": 1, "outcome": "failed"}])),
            ],
            0..8,
        ),
    ) {
        for codec in CODECS {
            let body = codec.encode("a job", &map).unwrap();
            let _ = look(&stored(Some(codec.content_type()), body));
        }
    }
}

#[test]
fn a_job_that_depends_on_one_twice_on_itself_or_on_too_many_is_refused() {
    let own = delivered(WireMessage::new(Bytes::new())).key;
    let of = |on: Vec<String>| {
        let body = serde_json::json!({"task": "t", "depends_on": {"on": on}});
        stored(None, body.to_string()).envelope()
    };
    assert!(of(vec!["q/a".into(), "q/b".into()]).is_ok());
    let many = (0..=naq_core::flow::MAX_DEPENDENCIES).map(|n| format!("q/{n}")).collect();
    for (on, why) in [
        (vec!["q/a".into(), "q/b".into(), "q/a".into()], "named twice"),
        (vec![own.to_string()], "depends on itself"),
        (many, "at most 5000"),
    ] {
        match of(on) {
            Err(DecodeError::Field { field, reason }) => {
                assert!(field == "depends_on" && reason.contains(why), "{field}: {reason}");
            }
            other => panic!("{why}: {other:?}"),
        }
    }
}
