//! Laws of every policy, every job and every number.

use std::time::Duration;

use naq_core::retry::{
    AttemptFacts, Delay, Jitter, Outcome, PolicyBuilder, RetryPolicy, Rule, Start, Strategy,
    decide, decide_start, preview,
};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Strategy as _;

fn duration() -> impl proptest::strategy::Strategy<Value = Duration> {
    prop_oneof![
        (0_u64..100_000).prop_map(Duration::from_millis),
        (0_u64..=3_650 * 86_400).prop_map(Duration::from_secs),
        (0_u64..10_000_000_000).prop_map(Duration::from_nanos),
    ]
}

fn some_time() -> impl proptest::strategy::Strategy<Value = Duration> {
    duration().prop_map(|d| d.max(Duration::from_nanos(1)))
}

fn number() -> impl proptest::strategy::Strategy<Value = u32> {
    prop_oneof![0_u32..50, any::<u32>(), Just(u32::MAX)]
}

fn kinds() -> impl proptest::strategy::Strategy<Value = Vec<ErrorKind>> {
    let kind = "[A-C](\\.[a-b0-9]{1,3}){0,2}".prop_map(|k| ErrorKind::new(k).expect("valid"));
    vec(kind, 0..4)
}

fn jitter() -> impl proptest::strategy::Strategy<Value = Jitter> {
    prop_oneof![
        Just(Jitter::None),
        Just(Jitter::Full),
        Just(Jitter::Equal),
        Just(Jitter::Decorrelated),
        (0.0..=1.0).prop_map(Jitter::Factor),
    ]
}

fn delay() -> impl proptest::strategy::Strategy<Value = Delay> {
    prop_oneof![duration().prop_map(Delay::Every), vec(duration(), 1..8).prop_map(Delay::List)]
}

/// The part of a policy that shapes delays.
fn shape() -> impl proptest::strategy::Strategy<Value = PolicyBuilder> {
    let growth = prop_oneof![
        Just((Strategy::Fixed, None, 2.0)),
        option::of(duration()).prop_map(|increment| (Strategy::Linear, increment, 2.0)),
        prop_oneof![1.0..4.0, 1.0..=1_000.0].prop_map(|m| (Strategy::Exponential, None, m)),
    ];
    (delay(), growth, option::of(some_time()), jitter(), number()).prop_map(
        |(delay, (strategy, increment, multiplier), max_delay, jitter, max_retries)| {
            let mut b = RetryPolicy::builder().strategy(strategy).multiplier(multiplier);
            if let Some(increment) = increment {
                b = b.increment(increment);
            }
            if let Some(max_delay) = max_delay {
                b = b.max_delay(max_delay);
            }
            b.delay(delay).jitter(jitter).max_retries(max_retries)
        },
    )
}

fn policy() -> impl proptest::strategy::Strategy<Value = RetryPolicy> {
    (shape(), kinds(), kinds(), option::of(some_time()), 1..=u32::MAX).prop_map(
        |(shape, retry_on, ignore_on, retry_for, max_crashes)| {
            let b = shape.retry_on(retry_on).ignore_on(ignore_on).max_crashes(max_crashes);
            retry_for.into_iter().fold(b, PolicyBuilder::retry_for).build()
        },
    )
}

fn job_id() -> impl proptest::strategy::Strategy<Value = JobId> {
    "[a-zA-Z0-9_-]{1,40}".prop_map(|id| JobId::new(id).expect("valid"))
}

fn time() -> impl proptest::strategy::Strategy<Value = Timestamp> {
    prop_oneof![any::<u64>(), 0..2_000_000_000_000_u64, Just(u64::MAX)]
        .prop_map(Timestamp::from_millis)
}

fn advice() -> impl proptest::strategy::Strategy<Value = Advice> {
    let any_delay = prop_oneof![duration(), Just(Duration::MAX)];
    prop_oneof![
        3 => Just(Advice::Policy),
        1 => any_delay.clone().prop_map(Advice::RetryAfter),
        1 => any_delay.prop_map(Advice::Snooze),
        1 => Just(Advice::Fatal),
        1 => Just(Advice::Cancel),
    ]
}

proptest! {
    #[test]
    fn a_delay_stays_under_the_cap_and_is_the_same_every_time(
        policy in policy(), job_id in job_id(), retry in number(),
    ) {
        let delay = policy.retry_delay(&job_id, retry);
        prop_assert!(delay <= policy.max_delay());
        prop_assert_eq!(delay.subsec_nanos() % 1_000_000, 0);
        prop_assert_eq!(delay, policy.clone().retry_delay(&job_id.clone(), retry));
    }

    #[test]
    fn jitter_stays_in_its_band(shape in shape(), job_id in job_id(), retry in number()) {
        let with = |jitter| shape.clone().jitter(jitter).build().retry_delay(&job_id, retry);
        let plain = with(Jitter::None);
        prop_assert!(with(Jitter::Full) <= plain);
        prop_assert!(with(Jitter::Equal) <= plain && with(Jitter::Equal) >= plain / 2);
        prop_assert!(with(Jitter::Factor(0.0)) == plain);
        let (low, rounding) = (plain.mul_f64(0.75), Duration::from_millis(1));
        let quarter = with(Jitter::Factor(0.25));
        prop_assert!(quarter <= plain && quarter + rounding >= low, "{quarter:?} of {plain:?}");
        prop_assert!(with(Jitter::Decorrelated) >= plain);
    }

    #[test]
    fn a_decorrelated_delay_is_at_most_three_times_the_one_before(
        first in 0_u64..100_000, job_id in job_id(), retry in 2_u32..256,
    ) {
        let policy = RetryPolicy::builder()
            .delay(Duration::from_millis(first))
            .jitter(Jitter::Decorrelated)
            .build();
        let before = policy.retry_delay(&job_id, retry - 1);
        prop_assert!(policy.retry_delay(&job_id, retry) <= before * 3);
    }

    #[test]
    fn text_and_both_codecs_round_trip(policy in policy()) {
        prop_assert_eq!(&policy.to_string().parse::<RetryPolicy>().expect("own text"), &policy);
        let json = serde_json::to_string(&policy).expect("plain data");
        prop_assert_eq!(&serde_json::from_str::<RetryPolicy>(&json).expect(&json), &policy);
        let packed = rmp_serde::to_vec_named(&policy).expect("plain data");
        prop_assert_eq!(&rmp_serde::from_slice::<RetryPolicy>(&packed).expect("map"), &policy);
        prop_assert_eq!(&policy.to_builder().build(), &policy);
        prop_assert!(!policy.summary().is_empty());
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        let _ = text.parse::<RetryPolicy>();
    }

    #[test]
    fn text_that_looks_like_a_policy_is_read_or_refused(
        text in "(fixed|linear|exponential|none):?[0-9.smhd/]{0,24}(,[a-z_]{0,12}=[0-9a-zA-Z.|_-]{0,24}){0,4}",
    ) {
        if let Ok(policy) = text.parse::<RetryPolicy>() {
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        let _ = rmp_serde::from_slice::<RetryPolicy>(&bytes);
        let _ = serde_json::from_slice::<RetryPolicy>(&bytes);
    }

    /// With any numbers: no panic, no early start, no retry beyond a limit.
    #[test]
    fn a_decision_keeps_every_limit(
        policy in policy(),
        job_id in job_id(),
        (attempt, crashes) in (number(), number()),
        (now, first_started_at, deadline) in (time(), time(), option::of(time())),
        kind in "[A-C](\\.[a-b0-9]{1,3}){0,2}",
        advice in advice(),
    ) {
        let facts = AttemptFacts { job_id: &job_id, attempt, crashes, first_started_at, deadline, now };
        let kind = ErrorKind::new(kind).expect("valid");
        let decision = decide(&policy, &facts, &Outcome::Failed { kind: &kind, advice });
        prop_assert!(!decision.reason().is_empty());
        if let (Some(at), Some(delay)) = (decision.action.at(), decision.action.delay()) {
            prop_assert!(at == Timestamp::MAX || at.since(now) == delay);
            prop_assert!(deadline.is_none_or(|deadline| at <= deadline));
        }
        if matches!(decision.rule, Rule::Strategy | Rule::RetryAfter) {
            prop_assert!(attempt <= policy.max_retries() && crashes < policy.max_crashes());
            prop_assert!(!policy.ignore_on().iter().any(|k| kind.is(k)));
            prop_assert!(policy.retry_on().is_empty() || policy.retry_on().iter().any(|k| kind.is(k)));
            let at = decision.action.at().expect("a retry has a time");
            prop_assert!(policy.retry_for().is_none_or(|limit| at <= first_started_at + limit));
        }
        if decision.rule == Rule::Strategy {
            prop_assert_eq!(decision.action.delay(), Some(policy.retry_delay(&job_id, attempt)));
        }
        let may_start = crashes < policy.max_crashes() && deadline.is_none_or(|d| now <= d);
        prop_assert_eq!(decide_start(&policy, &facts) == Start::Run, may_start);
    }

    #[test]
    fn every_delay_falls_inside_the_preview(shape in shape(), job_id in job_id()) {
        let policy = shape.build();
        let (mut elapsed, mut rows) = (0_u64, 0);
        for row in preview(&policy).take(300) {
            let delay = policy.retry_delay(&job_id, row.retry).as_millis() as u64;
            elapsed = elapsed.saturating_add(delay);
            rows += 1;
            prop_assert_eq!(row.retry, rows);
            prop_assert!((row.delay_min_ms..=row.delay_max_ms).contains(&delay), "{row:?} {delay}");
            prop_assert!((row.elapsed_min_ms..=row.elapsed_max_ms).contains(&elapsed), "{row:?}");
        }
        prop_assert_eq!(rows, policy.max_retries().min(300));
    }
}
