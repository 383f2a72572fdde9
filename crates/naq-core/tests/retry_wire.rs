//! A policy on the wire: a map in JSON and MessagePack, or its text form.

use naq_core::retry::RetryPolicy;
use serde_json::{Value, json};

fn policy(text: &str) -> RetryPolicy {
    text.parse().unwrap_or_else(|err| panic!("{text}: {err}"))
}

/// Reads the value in both codecs.
fn read(value: &Value) -> Result<RetryPolicy, String> {
    let from_json =
        serde_json::from_value::<RetryPolicy>(value.clone()).map_err(|err| err.to_string());
    // Through text too: serde_json's values and its reader are two deserializers.
    let text =
        serde_json::from_str::<RetryPolicy>(&value.to_string()).map_err(|err| err.to_string());
    let packed = rmp_serde::to_vec_named(value).expect("plain data");
    let from_msgpack = rmp_serde::from_slice::<RetryPolicy>(&packed).map_err(|err| err.to_string());
    assert_eq!(from_json.is_ok(), from_msgpack.is_ok(), "{value}: {from_json:?} {from_msgpack:?}");
    assert_eq!(from_json.is_ok(), text.is_ok(), "{value}: {from_json:?} {text:?}");
    if let (Ok(json), Ok(msgpack)) = (&from_json, &from_msgpack) {
        assert_eq!(json, msgpack, "{value}");
    }
    from_json
}

#[test]
fn what_is_written_leaves_out_the_defaults() {
    for (text, expected) in [
        ("conservative", json!({})),
        ("none", json!({"max_retries": 0})),
        ("fixed:2s/5s", json!({"delay_ms": [2000, 5000]})),
        (
            "linear:1s,increment=5s",
            json!({"delay_ms": 1000, "strategy": "linear", "increment_ms": 5000}),
        ),
        (
            "exponential:1s,max_retries=10,multiplier=1.5,max_delay=1m,jitter=0.25,\
             retry_on=ConnectionError|HTTPError.503,ignore_on=ValueError,retry_for=1h,max_crashes=5",
            json!({
                "max_retries": 10, "delay_ms": 1000, "strategy": "exponential", "multiplier": 1.5,
                "max_delay_ms": 60000, "jitter": 0.25,
                "retry_on": ["ConnectionError", "HTTPError.503"], "ignore_on": ["ValueError"],
                "retry_for_ms": 3600000, "max_crashes": 5,
            }),
        ),
        ("fixed:5s,jitter=full", json!({"jitter": "full"})),
    ] {
        let policy = policy(text);
        assert_eq!(serde_json::to_value(&policy).expect("plain data"), expected, "{text}");
        assert_eq!(read(&expected), Ok(policy), "{text}");
    }
}

#[test]
fn a_hand_written_policy_is_read() {
    for (value, text) in [
        (json!("exponential:2s,max_retries=5"), "exponential:2s,max_retries=5"),
        (json!("aggressive"), "aggressive"),
        (json!({}), "conservative"),
        (
            json!({"max_retries": 3, "delay_ms": 5000, "strategy": "fixed", "multiplier": 2.0, "jitter": "none", "retry_on": [], "max_crashes": 3}),
            "conservative",
        ),
        // Null is the default, as many encoders write it.
        (
            json!({"max_retries": null, "delay_ms": null, "jitter": null, "retry_on": null}),
            "conservative",
        ),
        // A newer version may write more.
        (json!({"max_retries": 1, "circuit": {"breaker": [1, 2]}}), "fixed:5s,max_retries=1"),
        // Whole numbers where a fraction may stand.
        (
            json!({"jitter": 1, "strategy": "exponential", "multiplier": 3}),
            "exponential:5s,multiplier=3,jitter=1",
        ),
        (json!({"delay_ms": [5000]}), "fixed:5s"),
    ] {
        assert_eq!(read(&value), Ok(policy(text)), "{value}");
    }
}

#[test]
fn a_malformed_policy_is_refused_with_a_reason() {
    let many_kinds: Vec<String> = (0..100).map(|n| format!("K{n}")).collect();
    for (value, reason) in [
        (json!(5), "a retry policy, as a map or as text"),
        (json!([1, 2]), "a retry policy, as a map or as text"),
        (json!(null), "a retry policy, as a map or as text"),
        (json!("fixed"), "malformed start of the policy \"fixed\""),
        (json!({"max_retries": -1}), "invalid value: integer `-1`"),
        (json!({"max_retries": 4294967296_u64}), "invalid value: integer `4294967296`"),
        (json!({"max_retries": "3"}), "invalid type: string \"3\""),
        (json!({"delay_ms": -1}), "milliseconds as a whole number, or a list of them"),
        (json!({"delay_ms": 1.5}), "milliseconds as a whole number, or a list of them"),
        (json!({"delay_ms": u64::MAX}), "invalid delay"),
        (json!({"delay_ms": []}), "invalid delay \"0 delays\": use 1 to 100"),
        (json!({"delay_ms": vec![1; 101]}), "invalid length 101"),
        (json!({"delay_ms": [1, [2]]}), "invalid type: sequence"),
        (json!({"strategy": "cubic"}), "invalid strategy \"cubic\""),
        (json!({"strategy": "exponential", "multiplier": 0.5}), "invalid multiplier \"0.5\""),
        (json!({"strategy": "fixed", "increment_ms": 5}), "increment has no effect"),
        (json!({"jitter": "some"}), "invalid jitter \"some\""),
        (json!({"jitter": 1.5}), "invalid jitter \"1.5\""),
        (json!({"jitter": -1}), "invalid jitter \"-1\""),
        (json!({"jitter": {"factor": 0.5}}), "none, full, equal, decorrelated, or a factor"),
        (json!({"retry_on": ["a b"]}), "invalid error kind \"a b\""),
        (json!({"ignore_on": many_kinds}), "invalid ignore_on"),
        (json!({"max_delay_ms": 0}), "invalid max_delay \"0s\""),
        (json!({"retry_for_ms": 0}), "invalid retry_for \"0s\""),
        (json!({"max_crashes": 0}), "invalid max_crashes \"0\""),
    ] {
        let err = read(&value).expect_err("must be refused");
        assert!(err.contains(reason), "{value}: {err}");
    }
}

#[test]
fn numbers_that_json_cannot_write_are_refused_in_messagepack() {
    for (key, number) in [
        ("jitter", f64::NAN),
        ("jitter", f64::INFINITY),
        ("multiplier", f64::NAN),
        ("multiplier", f64::INFINITY),
    ] {
        let map = std::collections::BTreeMap::from([(key, number)]);
        let packed = rmp_serde::to_vec_named(&map).expect("plain data");
        let err = rmp_serde::from_slice::<RetryPolicy>(&packed).expect_err("not finite");
        assert!(err.to_string().contains(key), "{err}");
    }
}

#[test]
fn a_key_given_twice_is_refused() {
    let err = serde_json::from_str::<RetryPolicy>(r#"{"max_retries":1,"max_retries":2}"#)
        .expect_err("which one is meant?");
    assert!(err.to_string().contains("duplicate field `max_retries`"), "{err}");
}
