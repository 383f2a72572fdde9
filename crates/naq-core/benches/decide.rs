//! What one decision costs: `cargo bench -p naq-core --bench decide`. The target is 200 ns.

use std::hint::black_box;
use std::time::{Duration, Instant};

use naq_core::retry::{AttemptFacts, Outcome, RetryPolicy, decide, decide_start};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};

const ROUNDS: u32 = 1_000_000;
const CASES: [(&str, &str); 6] = [
    ("fixed", "fixed:5s"),
    ("selective", "selective,retry_for=1h"),
    ("exponential", "exponential:2s,max_retries=10,multiplier=1.5"),
    ("exponential, full jitter", "exponential:1s,max_retries=10,max_delay=1m,jitter=full"),
    ("list, factor jitter", "fixed:2s/5s/10s,jitter=0.2"),
    ("decorrelated, 10th retry", "fixed:1s,max_retries=10,jitter=decorrelated"),
];

fn main() {
    let job_id = JobId::random();
    let kind = ErrorKind::http(503);
    for (name, policy) in CASES {
        let policy: RetryPolicy = policy.parse().expect("valid");
        let now = Timestamp::from_millis(1_795_435_200_000);
        let facts = AttemptFacts {
            job_id: &job_id,
            attempt: policy.max_retries(),
            crashes: 0,
            first_started_at: now,
            deadline: Some(now + Duration::from_secs(86_400)),
            now,
        };
        let outcome = Outcome::Failed { kind: &kind, advice: Advice::Policy };
        report(name, || {
            black_box(decide(black_box(&policy), black_box(&facts), black_box(&outcome)));
        });
        if name == "fixed" {
            report("decide_start", || {
                black_box(decide_start(black_box(&policy), black_box(&facts)));
            });
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "measures real time")]
#[expect(clippy::print_stdout, reason = "the report of a benchmark")]
fn report(name: &str, mut run: impl FnMut()) {
    for _ in 0..ROUNDS / 10 {
        run(); // warm up
    }
    let start = Instant::now();
    for _ in 0..ROUNDS {
        run();
    }
    let nanos = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS);
    println!("{name:<26} {nanos:>7.1} ns");
}
