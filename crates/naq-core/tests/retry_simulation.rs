//! Policies over weeks, in virtual time: `decide` is all it takes.

use std::time::Duration;

use naq_core::retry::{AttemptFacts, Outcome, RetryPolicy, Rule, decide, preview};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};

/// Fails every attempt, each of which takes `run` time. Returns the starts and the last rule.
fn live(policy: &RetryPolicy, job_id: &JobId, run: Duration) -> (Vec<Timestamp>, Rule) {
    let first_started_at = Timestamp::from_millis(1_795_435_200_000);
    let mut starts = vec![first_started_at];
    loop {
        let facts = AttemptFacts {
            job_id,
            attempt: starts.len() as u32,
            crashes: 0,
            first_started_at,
            deadline: None,
            now: starts[starts.len() - 1] + run,
        };
        let kind = &ErrorKind::TIMEOUT;
        let decision = decide(policy, &facts, &Outcome::Failed { kind, advice: Advice::Policy });
        match decision.action.at() {
            Some(at) => starts.push(at),
            None => return (starts, decision.rule),
        }
    }
}

#[test]
fn twenty_five_retries_take_weeks_in_virtual_time() {
    let policy: RetryPolicy =
        "exponential:1m,max_retries=25,max_delay=2d,jitter=equal".parse().expect("valid");
    let job_id = JobId::new("job-1").expect("valid");
    let (starts, rule) = live(&policy, &job_id, Duration::from_secs(30));
    assert_eq!((starts.len(), rule), (26, Rule::MaxRetries));
    let life = starts[25].since(starts[0]);
    let days = life.as_secs() / 86_400;
    assert!((14..=28).contains(&days), "{days} days");
    for (pair, row) in starts.windows(2).zip(preview(&policy)) {
        let waited = pair[1].since(pair[0]) - Duration::from_secs(30);
        let band = u128::from(row.delay_min_ms)..=u128::from(row.delay_max_ms);
        assert!(band.contains(&waited.as_millis()), "retry {}: {waited:?}", row.retry);
    }
}

#[test]
fn ten_thousand_lives_stay_inside_the_preview() {
    let policy: RetryPolicy =
        "exponential:1s,max_retries=8,max_delay=1m,jitter=decorrelated".parse().expect("valid");
    let last = preview(&policy).last().expect("eight rows");
    for n in 0..10_000 {
        let job_id = JobId::new(format!("job-{n}")).expect("valid");
        let (starts, _) = live(&policy, &job_id, Duration::ZERO);
        let elapsed = starts[8].since(starts[0]).as_millis();
        let band = u128::from(last.elapsed_min_ms)..=u128::from(last.elapsed_max_ms);
        assert!(band.contains(&elapsed), "{job_id}: {elapsed}");
    }
}

#[test]
fn count_and_time_limit_work_together() {
    let job_id = JobId::new("job-1").expect("valid");
    for (text, attempts, rule) in [
        ("fixed:10s,max_retries=3,retry_for=1h", 4, Rule::MaxRetries),
        ("fixed:10s,max_retries=1000,retry_for=1m", 4, Rule::RetryFor),
    ] {
        let policy: RetryPolicy = text.parse().expect("valid");
        // An attempt takes 8 s, so that retries start at 18, 36 and 54 s; the next would at 72 s.
        let (starts, last) = live(&policy, &job_id, Duration::from_secs(8));
        assert_eq!((starts.len(), last), (attempts, rule), "{text}");
    }
}
