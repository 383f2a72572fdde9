//! The cases that are jobs, in one table. docs/handler-protocol.md says what each task must do.

use std::time::Duration;

use naq_core::JobState;
use naq_core::wire::AttemptOutcome;
use serde_json::{Value, json};

use super::case::{Fits, JobCase, Meanwhile};

/// Returns its arguments.
const ECHO: &str = "conformance.echo";
/// Returns the length of its arguments, a text.
const SIZE: &str = "conformance.size";
/// Ends with the error that its arguments are; after a retry or a snooze it returns "done".
const ERROR: &str = "conformance.error";
/// Reports progress, saves a checkpoint and fails; then returns the checkpoint.
const STEPS: &str = "conformance.steps";
/// Fails until this attempt; then returns the last error of its request.
const ATTEMPT: &str = "conformance.attempt";
/// Takes so many milliseconds; then returns "done".
pub(super) const SLOW: &str = "conformance.slow";
/// Dies without an answer; the next time it returns the number of crashes.
const DIE: &str = "conformance.die";

/// The tasks of a handler that is tested.
pub(super) const TASKS: [&str; 7] = [ECHO, SIZE, ERROR, STEPS, ATTEMPT, SLOW, DIE];

fn echoes(name: &'static str, value: Value) -> JobCase {
    JobCase::new(name, ECHO, value.clone()).returns(value)
}

/// Nested lists, so many deep.
fn nested(depth: usize) -> Value {
    (0..depth).fold(json!("inside"), |inner, _| json!([inner]))
}

fn values() -> Vec<JobCase> {
    vec![
        echoes("null is null", Value::Null),
        echoes("false is no null", json!(false)),
        echoes("zero is no null", json!(0)),
        echoes("an empty text is no null", json!("")),
        echoes("an empty list is a list", json!([])),
        echoes("an empty object is an object", json!({})),
        echoes("a negative number", json!(-17)),
        echoes("a fraction", json!(0.1)),
        echoes("2^53 - 1 is exact", json!(9_007_199_254_740_991_i64)),
        {
            let mut exact = echoes("2^53 + 1 is exact", json!(9_007_199_254_740_993_i64));
            exact.expect.rounded = Some(json!(9_007_199_254_740_992_i64));
            exact
        },
        echoes("a line break in a text does not end the answer", json!("a\nb\r\nc")),
        echoes("quotes and backslashes", json!("\"\\\" '\\' \\n")),
        echoes("a tab and a control character", json!("a\tb\u{1}c")),
        echoes("characters of several bytes", json!("Grüße, 世界, Привет, שלום")),
        echoes("an emoji of several characters", json!("👩‍👩‍👧‍👦 🏳️‍🌈")),
        echoes(
            "line separators of Unicode do not end the answer",
            json!("a\u{2028}b\u{2029}c\u{85}d"),
        ),
        echoes("a key that is not ASCII", json!({"größe": 1})),
        echoes(
            "keys that are names of answers",
            json!({"result": 1, "error": {"kind": "x"}, "progress": 2}),
        ),
        echoes("a text that looks like an answer", json!("{\"error\":{\"kind\":\"x\"}}")),
        echoes("keys that are names of the request", json!({"args": 1, "attempt": 2, "run": "x"})),
        echoes("values 50 deep", nested(50)),
        echoes("a list of 10,000 numbers", json!((0..10_000).collect::<Vec<_>>())),
        echoes("400 kB there and back", json!("x".repeat(400_000))),
        JobCase::new("a request of 950 kB", SIZE, json!("x".repeat(950_000)))
            .returns(json!(950_000)),
        JobCase::new(
            "a request of 200 kB in two-byte characters",
            SIZE,
            json!("ü".repeat(100_000)),
        )
        .returns(json!(100_000)),
    ]
}

fn fails(name: &'static str, error: Value) -> JobCase {
    JobCase::new(name, ERROR, error).first(AttemptOutcome::Failed)
}

fn errors() -> Vec<JobCase> {
    let long = "long ".repeat(60);
    let mut retry_after = fails(
        "retry_after: the retry waits as long as the handler says",
        json!({"kind": "HTTPError.429", "message": "slow down", "then": "retry_after", "after_ms": 70}),
    )
    .error("HTTPError.429", "slow down")
    .returns(json!("done"));
    retry_after.expect.delay_ms = Some(70);
    let mut snooze = JobCase::new(
        "snooze: the job runs again, and no attempt is counted",
        ERROR,
        json!({"kind": "Error", "message": "not yet", "then": "snooze", "after_ms": 30}),
    )
    .first(AttemptOutcome::Snoozed)
    .returns(json!("done"));
    snooze.expect.delay_ms = Some(30);
    vec![
        fails(
            "no `then`: the policy decides",
            json!({"kind": "ConformanceError", "message": "again"}),
        )
        .error("ConformanceError", "again")
        .returns(json!("done")),
        fails("a dotted kind", json!({"kind": "HTTPError.503", "message": "busy"}))
            .error("HTTPError.503", "busy")
            .returns(json!("done")),
        retry_after,
        fails(
            "never: the job is dead at once",
            json!({"kind": "ValueError", "message": "no", "then": "never"}),
        )
        .error("ValueError", "no")
        .ends(JobState::Dead),
        snooze,
        JobCase::new(
            "cancel: the job ends as cancelled",
            ERROR,
            json!({"kind": "Error", "message": "the order is gone", "then": "cancel"}),
        )
        .first(AttemptOutcome::Cancelled)
        .ends(JobState::Cancelled),
        fails(
            "a message that is not ASCII",
            json!({"kind": "ConformanceError", "message": "kaputt: 世界 👩‍👧"}),
        )
        .error("ConformanceError", "kaputt: 世界 👩‍👧")
        .returns(json!("done")),
        fails("a message of two lines", json!({"kind": "ConformanceError", "message": "one\ntwo"}))
            .error("ConformanceError", "one\ntwo")
            .returns(json!("done")),
        fails(
            "a message of 300 characters",
            json!({"kind": "ConformanceError", "message": long.trim()}),
        )
        .error("ConformanceError", long.trim())
        .returns(json!("done")),
    ]
}

fn attempts() -> Vec<JobCase> {
    let mut timeout = JobCase::new("a timeout ends the attempt", SLOW, json!(20_000));
    timeout.timeout = Some(Duration::from_millis(300));
    timeout = timeout.first(AttemptOutcome::Failed).ends(JobState::Dead);
    timeout.expect.kind = Some("TimeoutError");
    let mut cancel = JobCase::new("a cancel ends the attempt that runs", SLOW, json!(20_000));
    cancel.meanwhile = Meanwhile::Cancel;
    cancel = cancel.ends(JobState::Cancelled);
    let mut dies =
        JobCase::new("a handler that dies is a crash, and the job runs again", DIE, Value::Null)
            .first(AttemptOutcome::Crashed)
            .returns(json!(1));
    dies.fits = Fits::Commands;
    vec![
        JobCase::new("the first attempt has no last error", ATTEMPT, json!(1)).returns(Value::Null),
        JobCase::new("a later attempt has the last error", ATTEMPT, json!(3))
            .first(AttemptOutcome::Failed)
            .error("ConformanceError", "attempt 1 of 4 fails")
            .returns(json!({"kind": "ConformanceError", "message": "attempt 2 of 4 fails"})),
        JobCase::new(
            "progress and a checkpoint; the next attempt has the checkpoint",
            STEPS,
            Value::Null,
        )
        .first(AttemptOutcome::Failed)
        .returns(json!({"step": 1, "of": "größer"})),
        JobCase::new("an attempt that takes 200 ms", SLOW, json!(200)).returns(json!("done")),
        timeout,
        echoes("after the timeout the handler answers", json!("still here")),
        cancel,
        echoes("after the cancel the handler answers", json!("still here")),
        dies,
        echoes("after the crash the handler answers", json!("still here")),
    ]
}

/// All cases that are jobs, in the order in which they run.
pub(super) fn all() -> Vec<JobCase> {
    [values(), errors(), attempts()].concat()
}
