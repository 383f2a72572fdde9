//! The program ends by itself, and the loop does what its policy says.

use std::cell::RefCell;
use std::process::Command;
use std::time::Duration;

use naq_core::retry::Rule;
use naq_core::{Clock, ErrorKind, Failure, JobId, RetryPolicy, Timestamp};
use retries_alone::retry::Retries;

/// A clock that stands still.
#[derive(Debug)]
struct Noon;

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_435_200_000)
    }
}

/// Makes a call that fails with these failures, one after the other, and then succeeds. Returns its
/// result, the rule of each decision, and the delays in milliseconds. Nothing is waited for.
fn call(
    policy: &str,
    failures: Vec<Failure>,
) -> (Result<&'static str, Failure>, Vec<Rule>, Vec<u128>) {
    let policy: RetryPolicy = policy.parse().expect("a policy");
    let call_id = JobId::new("call-1").expect("an id");
    let delays = RefCell::new(Vec::new());
    let sleep = |delay: Duration| delays.borrow_mut().push(delay.as_millis());
    let retries = Retries { policy: &policy, call_id: &call_id, clock: &Noon, sleep: &sleep };
    let mut failures = failures.into_iter();
    let mut rules = Vec::new();
    let result = retries
        .call(|| failures.next().map_or(Ok("done"), Err), |decision| rules.push(decision.rule));
    (result, rules, delays.take())
}

fn unavailable() -> Failure {
    Failure::new(ErrorKind::http(503), "try later")
}

#[test]
fn the_program_shows_each_decision_and_ends() {
    let output = Command::new(env!("CARGO_BIN_EXE_retries-alone")).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    for line in [
        "  retry 1 after 100 to 200 ms",
        "  attempt 1 of 5 failed with HTTPError.503: retry 1 in 148ms (exponential, jitter equal)",
        "  attempt 2 of 5 failed with HTTPError.429: retry 2 in 1s, as the handler asked",
        "  42.00 EUR",
        "  attempt 1 of 5 failed with HTTPError.404, and ignore_on has HTTPError.404",
        "  given up: GET /no-such-page: status 404",
    ] {
        assert!(text.lines().any(|printed| printed == line), "no line {line:?} in:\n{text}");
    }
}

#[test]
fn the_strategy_gives_the_delays_and_the_service_may_overrule_it() {
    let asked = unavailable().retry_after(Duration::from_secs(17));
    let (result, rules, delays) = call("exponential:2s", vec![unavailable(), unavailable(), asked]);
    assert_eq!(result.expect("it succeeds"), "done");
    assert_eq!(rules, [Rule::Strategy, Rule::Strategy, Rule::RetryAfter]);
    assert_eq!(delays, [2_000, 4_000, 17_000]);
}

#[test]
fn the_loop_gives_up_when_no_retry_is_left() {
    let (result, rules, delays) =
        call("fixed:1s,max_retries=1", vec![unavailable(), unavailable()]);
    assert_eq!(result.expect_err("no retry is left").kind(), &ErrorKind::http(503));
    assert_eq!(rules, [Rule::Strategy, Rule::MaxRetries]);
    assert_eq!(delays, [1_000]);
}

#[test]
fn a_kind_that_is_never_retried_ends_the_loop_at_once() {
    let (result, rules, delays) =
        call("selective", vec![Failure::new(ErrorKind::VALUE, "no number")]);
    assert_eq!(result.expect_err("never retried").message(), "no number");
    assert_eq!((rules, delays), (vec![Rule::IgnoreOn], vec![]));
}
