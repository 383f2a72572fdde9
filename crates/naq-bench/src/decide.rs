//! The time of one retry decision. Needs no broker.

use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use naq_core::retry::{AttemptFacts, Outcome, RetryPolicy, decide};
use naq_core::{Advice, ErrorKind, JobId, Timestamp};

use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::stats::now;

const CALLS: u32 = 100_000;
const POLICIES: [&str; 5] = [
    "fixed:5s",
    "selective,retry_for=1h",
    "exponential:1s,max_retries=10,max_delay=1m,jitter=full",
    "fixed:2s/5s/10s,jitter=0.2",
    "fixed:1s,max_retries=10,jitter=decorrelated",
];

/// The time of the slowest policy in each round.
pub(crate) fn measure(rounds: usize) -> Result<Vec<BenchFigure>> {
    let policies = POLICIES.iter().map(|text| text.parse()).collect::<Result<Vec<_>, _>>()?;
    let mut figure = BenchFigure::new(
        "decide(), slowest policy",
        FigureUnit::Nanos,
        FigureTarget::AtMost(200.0),
    );
    for _ in 0..rounds {
        figure.alone(policies.iter().map(nanos).fold(0.0, f64::max));
    }
    Ok(vec![figure.done()])
}

fn nanos(policy: &RetryPolicy) -> f64 {
    let (job_id, kind) = (JobId::random(), ErrorKind::http(503));
    let at = Timestamp::from_millis(1_795_435_200_000);
    let facts = AttemptFacts {
        job_id: &job_id,
        attempt: policy.max_retries(),
        crashes: 0,
        first_started_at: at,
        deadline: Some(at + Duration::from_secs(86_400)),
        now: at,
    };
    let outcome = Outcome::Failed { kind: &kind, advice: Advice::Policy };
    let start = now();
    for _ in 0..CALLS {
        black_box(decide(black_box(policy), black_box(&facts), black_box(&outcome)));
    }
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}
