//! Every number of the reference document on job retries.

use std::time::Duration;

use naq_core::retry::{AttemptFacts, Outcome, RetryPolicy, Strategy, decide, preview};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn delays(policy: &RetryPolicy) -> Vec<u64> {
    preview(policy)
        .map(|row| {
            assert_eq!(row.delay_min_ms, row.delay_max_ms, "no jitter was asked for");
            row.delay_min_ms / 1_000
        })
        .collect()
}

fn retried(policy: &RetryPolicy, kind: &'static str) -> bool {
    let job_id = JobId::new("job-1").expect("valid");
    let facts = AttemptFacts {
        job_id: &job_id,
        attempt: 1,
        crashes: 0,
        first_started_at: Timestamp::default(),
        deadline: None,
        now: Timestamp::default(),
    };
    let outcome = Outcome::Failed { kind: &kind.into(), advice: Advice::Policy };
    decide(policy, &facts, &outcome).action.delay().is_some()
}

#[test]
fn linear_without_an_increment_is_a_fixed_delay() {
    let policy =
        RetryPolicy::builder().max_retries(3).delay(secs(5)).strategy(Strategy::Linear).build();
    assert_eq!(delays(&policy), [5, 5, 5]);
}

#[test]
fn a_list_gives_each_attempt_its_own_delay() {
    let policy = RetryPolicy::builder().max_retries(3).delay([secs(2), secs(5), secs(10)]).build();
    assert_eq!(delays(&policy), [2, 5, 10]);
}

#[test]
fn exponential_from_two_seconds_doubles() {
    let policy = RetryPolicy::builder()
        .max_retries(4)
        .delay(secs(2))
        .strategy(Strategy::Exponential)
        .build();
    assert_eq!(delays(&policy), [2, 4, 8, 16]);
}

#[test]
fn only_the_listed_kinds_are_retried() {
    let policy = RetryPolicy::builder()
        .max_retries(3)
        .delay(secs(5))
        .retry_on([ErrorKind::CONNECTION, ErrorKind::TIMEOUT])
        .ignore_on([ErrorKind::VALUE, ErrorKind::AUTHENTICATION])
        .build();
    for (kind, expected) in [
        ("ConnectionError", true),
        ("ConnectionError.refused", true),
        ("TimeoutError", true),
        ("ValueError", false),
        ("AuthenticationError", false),
        ("HTTPError.503", false),
        ("ConnectionErrorX", false),
    ] {
        assert_eq!(retried(&policy, kind), expected, "{kind}");
    }
}

#[test]
fn conservative_is_the_default_three_retries_five_seconds_apart() {
    assert_eq!(RetryPolicy::default(), RetryPolicy::conservative());
    assert_eq!(RetryPolicy::builder().build(), RetryPolicy::conservative());
    assert_eq!(delays(&RetryPolicy::conservative()), [5, 5, 5]);
    assert_eq!(RetryPolicy::conservative().max_attempts(), 4);
}

#[test]
fn aggressive_has_a_list_that_wins_over_its_strategy() {
    let policy = RetryPolicy::aggressive();
    assert_eq!(policy.strategy(), Strategy::Exponential);
    assert_eq!(delays(&policy), [1, 2, 4, 8, 16]);
}

#[test]
fn selective_retries_transient_errors() {
    let policy = RetryPolicy::selective();
    assert_eq!(delays(&policy), [10, 10, 10]);
    for (kind, expected) in [
        ("ConnectionError", true),
        ("TimeoutError", true),
        ("HTTPError", true),
        ("HTTPError.503", true),
        ("ValueError", false),
        ("AuthenticationError", false),
        ("PermissionError", false),
        ("Error", false),
    ] {
        assert_eq!(retried(&policy, kind), expected, "{kind}");
    }
}

#[test]
fn none_makes_no_retry() {
    assert_eq!(delays(&RetryPolicy::none()), [0_u64; 0]);
    assert!(!retried(&RetryPolicy::none(), "ConnectionError"));
}
