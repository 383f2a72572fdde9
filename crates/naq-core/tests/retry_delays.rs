//! Delays and previews, as tables. `docs/retries.md` prints the jitter's test vectors.

use std::time::Duration;

use naq_core::JobId;
use naq_core::retry::{PreviewRow, RetryPolicy, preview};

fn policy(text: &str) -> RetryPolicy {
    text.parse().unwrap_or_else(|err| panic!("{text}: {err}"))
}

/// The delays before retries 1 to `n` of the job `job-1`, in milliseconds.
fn delays(text: &str, n: u32) -> Vec<u128> {
    let (policy, job) = (policy(text), JobId::new("job-1").expect("valid"));
    (1..=n).map(|retry| policy.retry_delay(&job, retry).as_millis()).collect()
}

#[test]
fn each_strategy_grows_as_its_formula_says() {
    let day = 86_400_000;
    for (text, expected) in [
        ("fixed:5s", vec![5_000, 5_000, 5_000, 5_000]),
        ("fixed:0s", vec![0, 0, 0, 0]),
        ("fixed:2s/5s/10s", vec![2_000, 5_000, 10_000, 10_000]),
        ("fixed:10s/1s", vec![10_000, 1_000, 1_000, 1_000]),
        ("linear:5s", vec![5_000, 5_000, 5_000, 5_000]),
        ("linear:5s,increment=5s", vec![5_000, 10_000, 15_000, 20_000]),
        ("linear:5s,increment=5s,max_delay=12s", vec![5_000, 10_000, 12_000, 12_000]),
        ("linear:1s/7s,increment=5s", vec![1_000, 7_000, 7_000, 7_000]),
        ("exponential:2s", vec![2_000, 4_000, 8_000, 16_000]),
        ("exponential:0s", vec![0, 0, 0, 0]),
        ("exponential:2s,multiplier=1", vec![2_000, 2_000, 2_000, 2_000]),
        ("exponential:1s,multiplier=3", vec![1_000, 3_000, 9_000, 27_000]),
        ("exponential:1s,multiplier=1.5", vec![1_000, 1_500, 2_250, 3_375]),
        // 1.1 is no binary fraction; what it means is still exact.
        ("exponential:5s,multiplier=1.1", vec![5_000, 5_500, 6_050, 6_655]),
        // Rounded up: 1, 1.5, 2.25, 3.375.
        ("exponential:1ms,multiplier=1.5", vec![1, 2, 3, 4]),
        ("exponential:1s,max_delay=3s", vec![1_000, 2_000, 3_000, 3_000]),
        ("exponential:8h", vec![day / 3, day / 3 * 2, day, day]),
        ("exponential:1s/1m", vec![1_000, 60_000, 60_000, 60_000]),
        ("fixed:2m,max_delay=1m", vec![60_000, 60_000, 60_000, 60_000]),
        // The default cap does not cut a delay that the policy writes out.
        ("fixed:2d", vec![2 * day, 2 * day, 2 * day, 2 * day]),
        ("exponential:2d", vec![2 * day, 2 * day, 2 * day, 2 * day]),
    ] {
        assert_eq!(delays(text, 4), expected, "{text}");
    }
}

#[test]
fn the_last_retry_of_all_is_capped_like_any_other() {
    let job = JobId::new("job-1").expect("valid");
    for text in [
        "linear:5s,increment=3650d",
        "exponential:1ms",
        "exponential:1s,multiplier=1000",
        "exponential:1s,multiplier=1.0001",
        "exponential:1s,jitter=0",
    ] {
        let policy = policy(text);
        assert_eq!(policy.retry_delay(&job, u32::MAX), policy.max_delay(), "{text}");
    }
    // Zero times infinity is zero.
    assert_eq!(policy("exponential:0s").retry_delay(&job, u32::MAX), Duration::ZERO);
}

/// Computed apart from this code, from the description in `docs/retries.md`.
#[test]
fn jitter_gives_the_published_test_vectors() {
    for (text, expected) in [
        ("fixed:10s,jitter=none", vec![10_000, 10_000, 10_000, 10_000]),
        ("fixed:10s,jitter=full", vec![2_108, 8_237, 7_405, 7_632]),
        ("fixed:10s,jitter=equal", vec![6_054, 9_119, 8_702, 8_816]),
        ("fixed:10s,jitter=0.2", vec![8_421, 9_648, 9_481, 9_527]),
        (
            "fixed:1s,max_delay=1m,jitter=decorrelated",
            vec![1_421, 3_688, 8_452, 19_589, 1_632, 2_864, 2_241, 6_341],
        ),
        (
            "exponential:1s,max_delay=1m,jitter=full",
            vec![211, 1_648, 2_962, 6_106, 175, 15_309, 9_807, 55_990, 18_463, 5_214],
        ),
    ] {
        assert_eq!(delays(text, expected.len() as u32), expected, "{text}");
    }
}

#[test]
fn a_decorrelated_delay_far_out_is_found_in_no_time_and_in_its_band() {
    let policy = policy("fixed:1s,max_delay=1m,jitter=decorrelated");
    let job = JobId::new("job-1").expect("valid");
    for retry in [256, 257, 1_000, u32::MAX - 1, u32::MAX] {
        let delay = policy.retry_delay(&job, retry);
        assert!((Duration::from_secs(1)..=Duration::from_secs(60)).contains(&delay), "{delay:?}");
    }
}

#[test]
fn jobs_that_failed_together_are_spread_over_the_whole_band() {
    let policy = policy("fixed:10s,jitter=full");
    let mut tenths = [0_u32; 10];
    for n in 0..10_000 {
        let job = JobId::new(format!("job-{n}")).expect("valid");
        let delay = policy.retry_delay(&job, 1).as_millis();
        tenths[(delay / 1_000).min(9) as usize] += 1;
    }
    // A thousand each, give or take five standard deviations.
    assert!(tenths.iter().all(|n| (850..=1_150).contains(n)), "{tenths:?}");
}

#[test]
fn a_preview_has_exactly_the_keys_that_scripts_rely_on() {
    let rows: Vec<PreviewRow> = preview(&policy("exponential:2s,max_retries=4")).collect();
    assert_eq!(
        serde_json::to_string(&rows[..2]).expect("plain data"),
        r#"[{"retry":1,"attempt":2,"delay_min_ms":2000,"delay_max_ms":2000,"elapsed_min_ms":2000,"elapsed_max_ms":2000},{"retry":2,"attempt":3,"delay_min_ms":4000,"delay_max_ms":4000,"elapsed_min_ms":6000,"elapsed_max_ms":6000}]"#
    );
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[3].elapsed_max_ms, 30_000);
}

#[test]
fn a_preview_shows_the_band_of_the_jitter() {
    for (text, bands) in [
        ("fixed:10s,jitter=full", [(0, 10_000), (0, 10_000), (0, 10_000)]),
        ("fixed:3ms,jitter=equal", [(2, 3), (2, 3), (2, 3)]),
        ("fixed:5s,jitter=0.7", [(1_500, 5_000), (1_500, 5_000), (1_500, 5_000)]),
        ("fixed:5s,jitter=1", [(0, 5_000), (0, 5_000), (0, 5_000)]),
        (
            "fixed:1s,max_delay=5s,jitter=decorrelated",
            [(1_000, 3_000), (1_000, 5_000), (1_000, 5_000)],
        ),
        (
            "exponential:1s,max_delay=3s,jitter=equal",
            [(500, 1_000), (1_000, 2_000), (1_500, 3_000)],
        ),
    ] {
        let rows: Vec<_> =
            preview(&policy(text)).map(|row| (row.delay_min_ms, row.delay_max_ms)).collect();
        assert_eq!(rows, bands, "{text}");
    }
}

#[test]
fn a_preview_ends_with_the_last_retry_that_retry_for_allows() {
    let count = |text| preview(&policy(text)).count();
    assert_eq!(count("fixed:5s,max_retries=100,retry_for=1m"), 12);
    assert_eq!(count("fixed:5s,max_retries=3,retry_for=1m"), 3);
    assert_eq!(count("fixed:2m,retry_for=1m"), 0);
    // Each may be early, so each may happen; but none starts after the limit.
    let rows: Vec<_> = preview(&policy("fixed:40s,retry_for=1m,jitter=full")).collect();
    assert_eq!(rows.iter().map(|r| r.elapsed_max_ms).collect::<Vec<_>>(), [40_000, 60_000, 60_000]);
}

#[test]
fn a_preview_of_four_billion_retries_is_computed_as_it_is_read() {
    let policy = policy("exponential:1s,max_retries=4294967295");
    let row = preview(&policy).nth(999).expect("there are more");
    assert_eq!((row.retry, row.attempt, row.delay_max_ms), (1_000, 1_001, 86_400_000));
    assert_eq!(policy.max_attempts(), u32::MAX);
}
