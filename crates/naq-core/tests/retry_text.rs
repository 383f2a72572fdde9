//! The text form of a policy: what it reads, what it writes, and what it says to everything else.

use std::time::Duration;

use naq_core::ErrorKind;
use naq_core::retry::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};

const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn error(text: &str) -> String {
    match text.parse::<RetryPolicy>() {
        Ok(policy) => panic!("{text:?} was read as {policy}"),
        Err(err) => err.to_string(),
    }
}

#[test]
fn every_key_is_read() {
    let text = "exponential:1s,max_retries=10,multiplier=1.5,max_delay=1m,jitter=full,\
                retry_on=ConnectionError|HTTPError.503,ignore_on=ValueError,retry_for=1h,\
                max_crashes=5";
    let policy: RetryPolicy = text.parse().expect("valid");
    let built = RetryPolicy::builder()
        .delay(secs(1))
        .strategy(Strategy::Exponential)
        .max_retries(10)
        .multiplier(1.5)
        .max_delay(secs(60))
        .jitter(Jitter::Full)
        .retry_on(["ConnectionError", "HTTPError.503"])
        .ignore_on([ErrorKind::VALUE])
        .retry_for(secs(3_600))
        .max_crashes(5)
        .build();
    assert_eq!(policy, built);
    assert_eq!(policy.to_string(), text);
}

#[test]
fn what_is_written_is_short_and_reads_back() {
    for (text, written) in [
        ("fixed:5s", "fixed:5s"),
        ("fixed:5s,max_retries=3,max_crashes=3,jitter=none,max_delay=1d", "fixed:5s"),
        ("fixed:2s/5s/10s", "fixed:2s/5s/10s"),
        ("linear:5s,increment=5s", "linear:5s,increment=5s"),
        ("linear:90s", "linear:1m30s"),
        ("exponential:1500ms,multiplier=2", "exponential:1s500ms"),
        ("fixed:2d", "fixed:2d"),
        ("fixed:2d,max_delay=1d", "fixed:2d,max_delay=1d"),
        ("fixed:5s,jitter=0.25", "fixed:5s,jitter=0.25"),
        ("fixed:5s,jitter=decorrelated", "fixed:5s,jitter=decorrelated"),
        // The order of keys is free.
        ("fixed:5s,jitter=full,max_retries=9", "fixed:5s,max_retries=9,jitter=full"),
        ("linear:1s/2s,increment=3s", "linear:1s/2s,increment=3s"),
        // Presets, and changes to them.
        ("conservative", "fixed:5s"),
        ("none", "fixed:5s,max_retries=0"),
        ("aggressive", "exponential:1s/2s/4s/8s/16s,max_retries=5"),
        ("aggressive,max_retries=10", "exponential:1s/2s/4s/8s/16s,max_retries=10"),
        (
            "selective",
            "fixed:10s,retry_on=ConnectionError|TimeoutError|HTTPError,\
             ignore_on=ValueError|AuthenticationError|PermissionError",
        ),
    ] {
        let policy: RetryPolicy = text.parse().unwrap_or_else(|err| panic!("{text}: {err}"));
        assert_eq!(policy.to_string(), written, "{text}");
        assert_eq!(written.parse(), Ok(policy), "{written}");
    }
    for name in RetryPolicy::PRESETS {
        assert_eq!(name.parse().ok(), RetryPolicy::preset(name), "{name}");
    }
}

#[test]
fn an_error_names_the_part_and_what_is_allowed() {
    let start = "write STRATEGY:DELAY[/DELAY...] with strategy fixed, linear or exponential, as in \
                 `exponential:2s`, or one of conservative, aggressive, selective, none";
    let time = "use a duration such as 500ms, 5s, 1m30s, 2h or 1d, at most 3650d";
    let keys = "max_retries, increment, multiplier, max_delay, jitter, retry_on, ignore_on, \
                retry_for, max_crashes";
    let count = "use a whole number up to 4294967295";
    let jitter = "use none, full, equal, decorrelated, or a factor from 0 to 1";
    let kinds = "use error kinds such as ConnectionError or HTTPError.503, separated by |";
    for (text, message) in [
        ("", format!("malformed start of the policy \"\": {start}")),
        ("fixed", format!("malformed start of the policy \"fixed\": {start}")),
        ("5s", format!("malformed start of the policy \"5s\": {start}")),
        ("cubic:5s", "invalid strategy \"cubic\": use fixed, linear or exponential".to_owned()),
        ("Fixed:5s", "invalid strategy \"Fixed\": use fixed, linear or exponential".to_owned()),
        (":5s", "invalid strategy \"\": use fixed, linear or exponential".to_owned()),
        ("fixed:", format!("invalid delay \"\": {time}")),
        ("fixed:5", format!("invalid delay \"5\": {time}")),
        ("fixed:-5s", format!("invalid delay \"-5s\": {time}")),
        ("fixed:2s//5s", format!("invalid delay \"\": {time}")),
        ("fixed:2s/", format!("invalid delay \"\": {time}")),
        ("fixed:11y", format!("invalid delay \"11y\": {time}")),
        ("fixed:3651d", format!("invalid delay \"3651d\": {time}")),
        ("fixed:5s,", format!("malformed part \"\": write key=value, with key one of {keys}")),
        ("fixed:5s,,", format!("malformed part \"\": write key=value, with key one of {keys}")),
        ("fixed:5s,full", format!("malformed part \"full\": write key=value, with key one of {keys}")),
        ("fixed:5s,retries=3", format!("unknown key \"retries\": use one of {keys}")),
        ("fixed:5s, jitter=full", format!("unknown key \" jitter\": use one of {keys}")),
        ("fixed:5s,=3", format!("unknown key \"\": use one of {keys}")),
        ("fixed:5s,max_retries=", format!("invalid max_retries \"\": {count}")),
        ("fixed:5s,max_retries=-1", format!("invalid max_retries \"-1\": {count}")),
        ("fixed:5s,max_retries=+1", format!("invalid max_retries \"+1\": {count}")),
        ("fixed:5s,max_retries=4294967296", format!("invalid max_retries \"4294967296\": {count}")),
        ("fixed:5s,max_retries=1=2", format!("invalid max_retries \"1=2\": {count}")),
        ("fixed:5s,max_retries=1,max_retries=1", "\"max_retries\" is given twice: give it once".to_owned()),
        ("fixed:5s,max_delay=x", format!("invalid max_delay \"x\": {time}")),
        ("fixed:5s,max_delay=0s", "invalid max_delay \"0s\": use more than zero, or leave it out".to_owned()),
        ("fixed:5s,retry_for=0s", "invalid retry_for \"0s\": use more than zero, or leave it out".to_owned()),
        ("fixed:5s,jitter=some", format!("invalid jitter \"some\": {jitter}")),
        ("fixed:5s,jitter=1.1", format!("invalid jitter \"1.1\": {jitter}")),
        ("fixed:5s,jitter=NaN", format!("invalid jitter \"NaN\": {jitter}")),
        ("fixed:5s,jitter=", format!("invalid jitter \"\": {jitter}")),
        ("exponential:5s,multiplier=0.5", "invalid multiplier \"0.5\": use a number from 1 to 1000".to_owned()),
        ("exponential:5s,multiplier=inf", "invalid multiplier \"inf\": use a number from 1 to 1000".to_owned()),
        ("exponential:5s,multiplier=two", "invalid multiplier \"two\": use a number from 1 to 1000".to_owned()),
        ("fixed:5s,retry_on=", format!("invalid retry_on \"\": {kinds}")),
        ("fixed:5s,retry_on=A||B", format!("invalid retry_on \"\": {kinds}")),
        ("fixed:5s,ignore_on=a b", format!("invalid ignore_on \"a b\": {kinds}")),
        ("fixed:5s,retry_on=A|A", "\"A\" is given twice: give it once".to_owned()),
        ("fixed:5s,max_crashes=0", "invalid max_crashes \"0\": use at least 1: the number of crashes that make the job dead".to_owned()),
        ("fixed:5s,increment=5s", "increment has no effect with strategy fixed: use strategy linear, or leave it out".to_owned()),
        ("linear:5s,multiplier=3", "multiplier has no effect with strategy linear: use strategy exponential, or leave it out".to_owned()),
    ] {
        assert_eq!(error(text), message, "{text:?}");
    }
}

#[test]
fn hostile_text_gives_a_short_and_printable_error() {
    let long = "x".repeat(5_000);
    for text in [
        format!("fixed:{long}"),
        format!("{long}:5s"),
        format!("fixed:5s,{long}"),
        format!("fixed:5s,{long}=1"),
        format!("fixed:5s,retry_on={}", "A.".repeat(4_000)),
        format!("fixed:{}", "1s/".repeat(4_000)),
        "fixed:5s,\u{1b}[2J=1".to_owned(),
        "\u{202e}".repeat(4_000),
    ] {
        let message = error(&text);
        assert!(message.len() < 1_000 && !message.contains(['\u{1b}', '\u{202e}']), "{message}");
    }
    let huge = "x".repeat(1 << 20);
    assert_eq!(huge.parse::<RetryPolicy>(), Err(PolicyError::TooLong(1 << 20)));
}

#[test]
fn the_longest_valid_policy_fits_the_text_form() {
    let kinds = |prefix: &str| -> Vec<ErrorKind> {
        (0..RetryPolicy::MAX_KINDS)
            .map(|n| ErrorKind::new(format!("{prefix}{n:0>127}")).expect("valid"))
            .collect()
    };
    let longest = RetryPolicy::MAX_DURATION - Duration::from_millis(1);
    let policy = RetryPolicy::builder()
        .strategy(Strategy::Exponential)
        .delay(vec![longest; RetryPolicy::MAX_DELAYS])
        .max_retries(u32::MAX)
        .multiplier(1.000_000_000_000_000_2)
        .max_delay(Duration::from_millis(1))
        .jitter(Jitter::Factor(f64::MIN_POSITIVE))
        .retry_on(kinds("a"))
        .ignore_on(kinds("b"))
        .retry_for(longest)
        .max_crashes(u32::MAX)
        .build();
    let text = policy.to_string();
    assert!(text.len() <= RetryPolicy::MAX_TEXT_LEN, "{}", text.len());
    assert_eq!(text.parse(), Ok(policy));
}

#[test]
fn the_builder_refuses_what_the_text_refuses() {
    let b = RetryPolicy::builder;
    let too_many: Vec<_> = (0..=RetryPolicy::MAX_KINDS)
        .map(|n| ErrorKind::new(format!("K{n}")).expect("valid"))
        .collect();
    for (builder, key) in [
        (b().delay(Duration::MAX), "delay"),
        (b().delay(Vec::new()), "delay"),
        (b().delay(vec![secs(1); RetryPolicy::MAX_DELAYS + 1]), "delay"),
        (b().increment(secs(1)), "increment"),
        (b().multiplier(3.0), "multiplier"),
        (b().strategy(Strategy::Exponential).multiplier(f64::NAN), "multiplier"),
        (b().jitter(Jitter::Factor(f64::NAN)), "jitter"),
        (b().jitter(Jitter::Factor(-0.1)), "jitter"),
        (b().max_delay(Duration::ZERO), "max_delay"),
        (b().retry_for(Duration::MAX), "retry_for"),
        (b().retry_on(too_many.clone()), "retry_on"),
        (b().ignore_on(too_many), "ignore_on"),
        (b().max_crashes(0), "max_crashes"),
    ] {
        let err = builder.try_build().expect_err(key).to_string();
        assert!(err.contains(key), "{key}: {err}");
    }
}

#[test]
#[should_panic(expected = "invalid multiplier \"0.5\": use a number from 1 to 1000")]
fn invalid_values_in_code_panic() {
    let _ = RetryPolicy::builder().strategy(Strategy::Exponential).multiplier(0.5).build();
}

#[test]
fn a_policy_can_be_changed_through_its_builder() {
    let list = RetryPolicy::aggressive();
    assert_eq!(list.to_builder().build(), list);
    // A new strategy drops what belonged to the old one, so that one override is enough.
    let linear: RetryPolicy = "linear:5s,increment=5s".parse().expect("valid");
    let changed = linear.to_builder().strategy(Strategy::Exponential).build();
    assert_eq!(changed.to_string(), "exponential:5s");
    // The default cap follows the delay, a given one stays.
    assert_eq!(list.to_builder().delay(secs(172_800)).build().max_delay(), secs(172_800));
    let capped: RetryPolicy = "fixed:2d,max_delay=1h".parse().expect("valid");
    assert_eq!(capped.to_builder().delay(secs(60)).build().max_delay(), secs(3_600));
}

#[test]
fn durations_are_rounded_up_to_milliseconds_and_kinds_kept_once() {
    let policy = RetryPolicy::builder()
        .delay(Duration::from_nanos(1_000_001))
        .retry_on(["A", "B", "A"])
        .build();
    assert_eq!(policy.delay(), &Delay::Every(Duration::from_millis(2)));
    assert_eq!(policy.retry_on(), ["A", "B"].map(ErrorKind::from));
}

#[test]
fn a_list_of_one_is_a_fixed_delay() {
    let policy = RetryPolicy::builder().strategy(Strategy::Exponential).delay([secs(5)]).build();
    assert_eq!(policy, RetryPolicy::default());
}

#[test]
fn a_summary_is_written_in_words() {
    for (text, words) in [
        ("conservative", "up to 3 retries, 5s apart"),
        ("none", "no retries"),
        ("fixed:5s,max_retries=1", "1 retry, 5s apart"),
        ("aggressive", "up to 5 retries, after 1s, 2s, 4s, 8s, 16s"),
        ("fixed:2s/5s/10s,max_retries=2", "up to 2 retries, after 2s, 5s"),
        (
            "exponential:2s,max_retries=4,jitter=full",
            "up to 4 retries, after 2s, then 2 times as long each time, at most 1d, jitter full",
        ),
        (
            "linear:5s,increment=10s,retry_for=1h",
            "up to 3 retries, after 5s, then 10s longer each time, at most 1d, for 1h at most",
        ),
        ("linear:5s", "up to 3 retries, 5s apart"),
        (
            "fixed:5s,retry_on=ConnectionError|HTTPError,ignore_on=HTTPError.404",
            "up to 3 retries, 5s apart, only on ConnectionError, HTTPError, never on HTTPError.404",
        ),
    ] {
        assert_eq!(text.parse::<RetryPolicy>().expect("valid").summary(), words, "{text}");
    }
}
