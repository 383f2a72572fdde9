//! The rules of the decision, their order, and what they say.

use std::time::Duration;

use naq_core::retry::{
    Action, AttemptFacts, Decision, Outcome, RetryPolicy, Rule, Start, decide, decide_start,
};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(secs: u64) -> Timestamp {
    Timestamp::from_millis(1_795_435_200_000 + secs * 1_000)
}

/// A job whose first attempt started at second 0 and whose attempt `attempt` ends at second 100.
#[derive(Clone)]
struct Case {
    policy: RetryPolicy,
    attempt: u32,
    crashes: u32,
    deadline: Option<Timestamp>,
    kind: ErrorKind,
    advice: Advice,
}

fn case(policy: &str) -> Case {
    Case {
        policy: policy.parse().unwrap_or_else(|err| panic!("{policy}: {err}")),
        attempt: 1,
        crashes: 0,
        deadline: None,
        kind: "ConnectionError.refused".into(),
        advice: Advice::Policy,
    }
}

impl Case {
    fn facts<'a>(&self, job_id: &'a JobId) -> AttemptFacts<'a> {
        AttemptFacts {
            job_id,
            attempt: self.attempt,
            crashes: self.crashes,
            first_started_at: at(0),
            deadline: self.deadline,
            now: at(100),
        }
    }

    fn decide(&self) -> Decision {
        let job_id = JobId::new("job-1").expect("valid");
        let outcome = Outcome::Failed { kind: &self.kind, advice: self.advice };
        decide(&self.policy, &self.facts(&job_id), &outcome)
    }

    fn start(&self) -> Start {
        decide_start(&self.policy, &self.facts(&JobId::new("job-1").expect("valid")))
    }
}

#[test]
fn a_failure_is_retried_after_the_delay_of_the_policy() {
    let decision = Case { attempt: 2, ..case("exponential:2s") }.decide();
    assert_eq!(decision.rule, Rule::Strategy);
    assert_eq!(decision.action, Action::Retry { delay: secs(4), at: at(104) });
}

#[test]
fn success_completes_with_any_counts() {
    let job_id = JobId::new("job-1").expect("valid");
    let late = Case { attempt: 9, crashes: 9, deadline: Some(at(1)), ..case("none") };
    let decision = decide(&late.policy, &late.facts(&job_id), &Outcome::Completed);
    assert_eq!((decision.action, decision.rule), (Action::Complete, Rule::Succeeded));
}

/// Everything forbids the retry; rule after rule is taken away, and the next one speaks.
#[test]
fn the_rules_speak_in_their_order() {
    let job = |policy: &str, advice| Case {
        attempt: 4,
        crashes: 3,
        deadline: Some(at(100)),
        advice,
        ..case(policy)
    };
    let all = "fixed:5s,retry_on=TimeoutError,ignore_on=ConnectionError,retry_for=1s";
    let no_ignore = "fixed:5s,retry_on=TimeoutError,retry_for=1s";
    let later = Advice::RetryAfter(secs(1));
    let uncrashed = |policy| Case { crashes: 0, ..job(policy, later) };
    let second = |policy| Case { attempt: 2, ..uncrashed(policy) };
    for (case, action, rule) in [
        (job(all, Advice::Cancel), Action::Cancel, Rule::Cancel),
        (job(all, Advice::Snooze(secs(1))), Action::Expire, Rule::Deadline),
        (job(all, Advice::Fatal), Action::Dead, Rule::Fatal),
        (job(all, later), Action::Dead, Rule::MaxCrashes),
        (uncrashed(all), Action::Dead, Rule::MaxRetries),
        (second(all), Action::Dead, Rule::IgnoreOn),
        (second(no_ignore), Action::Dead, Rule::RetryOn),
        (second("fixed:5s,retry_for=1s"), Action::Dead, Rule::RetryFor),
        (second("fixed:5s"), Action::Dead, Rule::Deadline),
        (
            Case { deadline: None, ..second("fixed:5s") },
            Action::Retry { delay: secs(1), at: at(101) },
            Rule::RetryAfter,
        ),
        (
            Case { deadline: None, advice: Advice::Policy, ..second("fixed:5s") },
            Action::Retry { delay: secs(5), at: at(105) },
            Rule::Strategy,
        ),
    ] {
        let decision = case.decide();
        assert_eq!((decision.action, decision.rule), (action, rule), "{}", case.policy);
    }
}

#[test]
fn attempts_are_max_retries_plus_one() {
    let outcome = |attempt| Case { attempt, ..case("fixed:5s,max_retries=3") }.decide().rule;
    assert_eq!([1, 2, 3].map(outcome), [Rule::Strategy; 3]);
    assert_eq!([4, 5, u32::MAX].map(outcome), [Rule::MaxRetries; 3]);
}

#[test]
fn kinds_match_themselves_and_what_lies_below() {
    for (policy, kind, rule) in [
        ("fixed:5s,retry_on=ConnectionError", "ConnectionError.refused", Rule::Strategy),
        ("fixed:5s,retry_on=ConnectionError", "ConnectionErrorX", Rule::RetryOn),
        ("fixed:5s,retry_on=HTTPError.503", "HTTPError", Rule::RetryOn),
        ("fixed:5s,retry_on=HTTPError,ignore_on=HTTPError.404", "HTTPError.503", Rule::Strategy),
        ("fixed:5s,retry_on=HTTPError,ignore_on=HTTPError.404", "HTTPError.404", Rule::IgnoreOn),
        // ignore_on wins even where retry_on says more.
        ("fixed:5s,retry_on=HTTPError.503,ignore_on=HTTPError", "HTTPError.503", Rule::IgnoreOn),
        ("fixed:5s", "Panic", Rule::Strategy),
    ] {
        let decision = Case { kind: kind.into(), ..case(policy) }.decide();
        assert_eq!(decision.rule, rule, "{policy} {kind}");
    }
}

#[test]
fn a_retry_that_would_start_exactly_at_the_limit_is_made() {
    // The attempt ends at second 100; the retry would start at 105.
    assert_eq!(case("fixed:5s,retry_for=105s").decide().rule, Rule::Strategy);
    assert_eq!(case("fixed:5s,retry_for=104999ms").decide().rule, Rule::RetryFor);
    let deadline = |s| Case { deadline: Some(at(s)), ..case("fixed:5s") }.decide().rule;
    assert_eq!((deadline(105), deadline(104)), (Rule::Strategy, Rule::Deadline));
}

#[test]
fn the_handlers_delay_is_neither_capped_nor_spread_but_limits_hold() {
    let policy = "fixed:5s,max_delay=10s,jitter=full";
    let after = |policy, delay| Case { advice: Advice::RetryAfter(delay), ..case(policy) }.decide();
    assert_eq!(after(policy, secs(60)).action, Action::Retry { delay: secs(60), at: at(160) });
    assert_eq!(after(policy, Duration::ZERO).action.at(), Some(at(100)));
    assert_eq!(after("fixed:5s,retry_for=2m", secs(60)).rule, Rule::RetryFor);
    // Parts of a millisecond are rounded up; a nonsense delay saturates.
    let tiny = after(policy, Duration::from_nanos(1)).action;
    assert_eq!(tiny.delay(), Some(Duration::from_millis(1)));
    assert_eq!(after(policy, Duration::MAX).action.at(), Some(Timestamp::MAX));
}

#[test]
fn snooze_waits_counts_nothing_and_knows_only_the_deadline() {
    let snooze = |s| Case {
        attempt: 4,
        crashes: 9,
        advice: Advice::Snooze(secs(s)),
        ..case("none,retry_for=1s")
    };
    assert_eq!(snooze(30).decide().action, Action::Snooze { delay: secs(30), at: at(130) });
    let late = Case { deadline: Some(at(120)), ..snooze(30) }.decide();
    assert_eq!((late.action, late.rule), (Action::Expire, Rule::Deadline));
}

#[test]
fn a_job_that_kills_its_workers_is_stopped_before_it_kills_another() {
    let start = |crashes| Case { crashes, ..case("fixed:5s") }.start();
    assert_eq!([0, 1, 2].map(start), [Start::Run, Start::Run, Start::Run]);
    let Start::Stop(decision) = start(3) else { panic!("poison must not run") };
    assert_eq!((decision.action, decision.rule), (Action::Dead, Rule::MaxCrashes));
    let once = Case { crashes: 1, ..case("fixed:5s,max_crashes=1") };
    assert!(matches!(once.start(), Start::Stop(_)));
}

#[test]
fn a_delivery_after_its_deadline_expires_unrun() {
    let start = |s| Case { deadline: Some(at(s)), ..case("fixed:5s") }.start();
    assert_eq!(start(100), Start::Run);
    let Start::Stop(decision) = start(99) else { panic!("the deadline is past") };
    assert_eq!((decision.action, decision.rule), (Action::Expire, Rule::Deadline));
}

#[test]
fn every_decision_says_why_in_one_sentence() {
    let advised = |advice| Case { advice, ..case("fixed:5s") };
    let complete = {
        let (case, job_id) = (case("fixed:5s"), JobId::new("job-1").expect("valid"));
        decide(&case.policy, &case.facts(&job_id), &Outcome::Completed)
    };
    let stopped = |case: Case| match case.start() {
        Start::Stop(decision) => decision,
        Start::Run => panic!("must be stopped"),
    };
    let failed = "failed with ConnectionError.refused";
    for (decision, sentence) in [
        (complete, "attempt 1 of 4 succeeded".to_owned()),
        (case("fixed:5s").decide(), format!("attempt 1 of 4 {failed}: retry 1 in 5s (fixed)")),
        (
            Case { attempt: 2, ..case("fixed:2s/90s") }.decide(),
            format!("attempt 2 of 4 {failed}: retry 2 in 1m30s (listed delay)"),
        ),
        (
            case("exponential:10s,jitter=full").decide(),
            format!("attempt 1 of 4 {failed}: retry 1 in 2.1s (exponential, jitter full)"),
        ),
        (
            advised(Advice::RetryAfter(secs(17))).decide(),
            format!("attempt 1 of 4 {failed}: retry 1 in 17s, as the handler asked"),
        ),
        (
            advised(Advice::Snooze(secs(30))).decide(),
            "attempt 1 of 4 asked to run again in 30s, which counts as no attempt".to_owned(),
        ),
        (advised(Advice::Cancel).decide(), "attempt 1 of 4 cancelled the job".to_owned()),
        (
            advised(Advice::Fatal).decide(),
            format!("attempt 1 of 4 {failed}, and the handler said never to retry it"),
        ),
        (
            Case { attempt: 4, ..case("fixed:5s") }.decide(),
            format!("attempt 4 of 4 {failed}, and no retry is left"),
        ),
        (
            case("fixed:5s,ignore_on=ConnectionError").decide(),
            format!("attempt 1 of 4 {failed}, and ignore_on has ConnectionError"),
        ),
        (
            case("fixed:5s,retry_on=TimeoutError").decide(),
            format!("attempt 1 of 4 {failed}, which retry_on does not have"),
        ),
        (
            case("fixed:5s,retry_for=1m").decide(),
            format!("attempt 1 of 4 {failed}: retry 1 would start 1m45s after the first attempt, retry_for is 1m"),
        ),
        (
            Case { deadline: Some(at(101)), ..case("fixed:5s") }.decide(),
            format!("attempt 1 of 4 {failed}: retry 1 would start at 2026-11-23T12:01:45.000Z, the deadline is 2026-11-23T12:01:41.000Z"),
        ),
        (
            stopped(Case { deadline: Some(at(99)), ..case("fixed:5s") }),
            "attempt 1 of 4 would start at 2026-11-23T12:01:40.000Z, the deadline is 2026-11-23T12:01:39.000Z".to_owned(),
        ),
        (
            stopped(Case { crashes: 3, ..case("fixed:5s") }),
            "poison: its worker or handler died 3 times, max_crashes is 3".to_owned(),
        ),
        (Decision::new(Action::Dead, Rule::Undecodable), "the message cannot be decoded".to_owned()),
        (Decision::new(Action::Dead, Rule::UnknownTask), "no worker knows this task".to_owned()),
    ] {
        assert_eq!(decision.reason(), sentence);
    }
}

#[test]
fn a_decision_serialises_as_scripts_expect() {
    let json = |decision: &Decision| serde_json::to_string(decision).expect("plain data");
    assert_eq!(
        json(&case("fixed:5s").decide()),
        r#"{"action":"retry","delay_ms":5000,"rule":"strategy","reason":"attempt 1 of 4 failed with ConnectionError.refused: retry 1 in 5s (fixed)"}"#
    );
    assert_eq!(
        json(&case("none").decide()),
        r#"{"action":"dead","delay_ms":null,"rule":"max_retries","reason":"attempt 1 of 1 failed with ConnectionError.refused, and no retry is left"}"#
    );
}

#[test]
fn names_of_rules_are_stable_distinct_and_forgiving() {
    let names: Vec<_> = Rule::ALL.iter().map(|rule| rule.as_str()).collect();
    assert_eq!(
        names,
        [
            "succeeded",
            "cancel",
            "snooze",
            "crash",
            "fatal",
            "max_crashes",
            "max_retries",
            "ignore_on",
            "retry_on",
            "retry_for",
            "deadline",
            "retry_after",
            "strategy",
            "dependencies",
            "limit",
            "breaker",
            "paused",
            "budget",
            "unique",
            "fallback",
            "undecodable",
            "signature",
            "encryption",
            "arguments",
            "unknown_task",
            "unknown",
        ]
    );
    for rule in Rule::ALL {
        let json = serde_json::to_string(rule).expect("plain data");
        assert_eq!(serde_json::from_str::<Rule>(&json).expect("its own name"), *rule);
    }
    assert_eq!(serde_json::from_str::<Rule>("\"newer\"").expect("tolerated"), Rule::Unknown);
}

#[test]
fn a_crash_of_the_handler_counts_no_attempt_and_ends_as_poison_at_max_crashes() {
    let crash = |crashes| Case { crashes, advice: Advice::Crash, ..case("fixed:5s") }.decide();
    assert_eq!(crash(0).rule, Rule::Crash);
    assert!(matches!(crash(1).action, Action::Snooze { .. }));
    let poison = crash(2);
    assert_eq!((poison.action, poison.rule), (Action::Dead, Rule::MaxCrashes));
    assert!(poison.reason().contains("died 3 times"), "{}", poison.reason());
}
