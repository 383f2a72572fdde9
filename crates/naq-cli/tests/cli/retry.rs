//! `naq retry`: the output that scripts rely on.

use serde_json::json;

use crate::run::offline;

#[test]
fn a_preview_in_json_is_an_array_of_retries() {
    let ran = offline(&["retry", "preview", "exponential:2s,max_retries=4", "-o", "json"]).ok();
    let row = |retry: u64, delay: u64, elapsed: u64| {
        json!({
            "retry": retry, "attempt": retry + 1,
            "delay_min_ms": delay, "delay_max_ms": delay,
            "elapsed_min_ms": elapsed, "elapsed_max_ms": elapsed,
        })
    };
    let expected =
        [row(1, 2000, 2000), row(2, 4000, 6000), row(3, 8000, 14000), row(4, 16000, 30000)];
    assert_eq!(ran.json(), json!(expected));
    let first = r#"[{"retry":1,"attempt":2,"delay_min_ms":2000,"delay_max_ms":2000,"elapsed_min_ms":2000,"elapsed_max_ms":2000},"#;
    assert!(ran.stdout.starts_with(first), "{}", ran.stdout);
}

#[test]
fn json_lines_are_one_retry_each() {
    let ran = offline(&["retry", "preview", "fixed:2s/5s/10s", "-o", "jsonl"]).ok();
    let delays: Vec<_> = ran
        .stdout
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("json")["delay_max_ms"].clone()
        })
        .collect();
    assert_eq!(delays, [2000, 5000, 10000]);
}

#[test]
fn no_retries_are_an_empty_array() {
    let ran = offline(&["retry", "preview", "none", "-o", "json"]).ok();
    assert_eq!(ran.json(), json!([]));
}

#[test]
fn a_preview_of_billions_of_retries_is_cut_and_says_so() {
    let ran = offline(&["retry", "preview", "fixed:5s,max_retries=4000000000", "-o", "json"]).ok();
    assert_eq!(ran.json().as_array().map(Vec::len), Some(1000));
    assert!(ran.stderr.contains("4000000000") && ran.stderr.contains("--limit"), "{ran:?}");
    let ran = offline(&["retry", "preview", "fixed:5s,max_retries=1001", "--limit", "1001"]).ok();
    assert_eq!((ran.stdout.lines().count(), ran.stderr.as_str()), (1002, ""));
}

#[test]
fn tables_match_the_snapshots() {
    for (name, args) in [
        (
            "preview",
            ["retry", "preview", "exponential:1s,max_retries=6,max_delay=10s,jitter=full"]
                .as_slice(),
        ),
        ("explain", &["retry", "explain", "selective"]),
        (
            "decide",
            &["retry", "decide", "exponential:2s", "--error", "ConnectionError", "--attempt", "2"],
        ),
    ] {
        insta::assert_snapshot!(name, offline(args).ok().stdout);
    }
}

#[test]
fn a_decision_names_its_rule() {
    for (args, action, rule, delay) in [
        (
            ["selective", "--error", "HTTPError.503", "--attempt", "1"].as_slice(),
            "retry",
            "strategy",
            Some(10_000),
        ),
        (&["selective", "--error", "ValueError", "--attempt", "1"], "dead", "ignore_on", None),
        (&["selective", "--error", "OSError", "--attempt", "1"], "dead", "retry_on", None),
        (&["fixed:5s", "--error", "OSError", "--attempt", "4"], "dead", "max_retries", None),
        (
            &["fixed:5s", "--error", "Crash", "--attempt", "1", "--crashes", "3"],
            "dead",
            "max_crashes",
            None,
        ),
        (
            &["fixed:5s,retry_for=1m", "--error", "OSError", "--attempt", "1", "--elapsed", "58s"],
            "dead",
            "retry_for",
            None,
        ),
        (
            &["fixed:5s,retry_for=1m", "--error", "OSError", "--attempt", "1", "--elapsed", "50s"],
            "retry",
            "strategy",
            Some(5_000),
        ),
    ] {
        let ran = offline(&[&["retry", "decide"], args, &["-o", "json"]].concat()).ok();
        let decision = ran.json();
        assert_eq!(decision["action"], action, "{args:?}");
        assert_eq!(decision["rule"], rule, "{args:?}");
        assert_eq!(decision["delay_ms"].as_u64(), delay, "{args:?}");
        assert!(decision["reason"].as_str().is_some_and(|r| !r.is_empty()), "{args:?}");
    }
}

#[test]
fn with_jitter_each_job_has_its_own_delay_and_it_is_always_the_same() {
    let delay = |id: &str| {
        let args = ["retry", "decide", "fixed:1h,jitter=full", "--error", "A", "--attempt", "1"];
        offline(&[&args[..], &["--job-id", id, "-o", "json"]].concat()).ok().json()["delay_ms"]
            .clone()
    };
    assert_eq!(delay("a"), delay("a"));
    assert_ne!(delay("a"), delay("b"));
}

#[test]
fn the_policy_in_an_explanation_can_be_parsed_again() {
    let args =
        ["retry", "explain", "linear:5s,increment=5s,jitter=0.5,retry_on=A.b|C", "-o", "json"];
    let explained = offline(&args).ok().json();
    let text = explained["policy"].as_str().expect("a policy");
    assert_eq!(offline(&["retry", "explain", text, "-o", "json"]).ok().json(), explained);
    assert_eq!(explained["increment_ms"], 5000);
    assert_eq!(explained["max_attempts"], 4);
}
