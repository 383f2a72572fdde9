//! Retry lateness: jobs that fail once, and when they start again, against a schedule by hand.

use std::time::Duration;

use anyhow::{Context as _, Result};
use naq_core::{Clock, SystemClock, Timestamp};

use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::naq::Naq;
use super::raw::Raw;
use super::side::{Kind, Seen, Side, pause};
use super::stats::percentile;

/// Between two jobs.
const GAP: Duration = Duration::from_millis(5);
/// The delays, spread evenly and mixed.
const SHORTEST: u64 = 200;
const LONGEST: u64 = 2000;

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let mut p50 = Figure::new("retry lateness, p50", Unit::Millis, Target::None);
    let mut p99 = Figure::new("retry lateness, p99", Unit::Millis, Target::AtMost(350.0));
    let mut max = Figure::new("retry lateness, max", Unit::Millis, Target::None);
    let mut early = Figure::new("retries started early", Unit::Jobs, Target::AtMost(0.0));
    for round in 0..plan.rounds {
        plan.progress(format_args!("retry lateness, round {} of {}", round + 1, plan.rounds));
        let naq = retried(&arena.naq, plan).await?;
        let raw = scheduled(&arena.raw, plan).await?;
        for (figure, share) in [(&mut p50, 0.5), (&mut p99, 0.99), (&mut max, 1.0)] {
            figure.pair(percentile(&naq, share), percentile(&raw, share));
        }
        let count = |all: &[f64]| all.iter().filter(|late| **late < 0.0).count() as f64;
        early.pair(count(&naq), count(&raw));
    }
    Ok(vec![p50.done(), p99.done(), max.done(), early.done()])
}

/// The delay of job number `n`.
fn delay(n: usize) -> Duration {
    // A step that shares no factor with the span visits all of it, in no order.
    Duration::from_millis(SHORTEST + (n as u64 * 787) % (LONGEST - SHORTEST + 1))
}

/// How late, in milliseconds, each job's second attempt started, by the due time in its record.
async fn retried(naq: &Naq, plan: &Plan) -> Result<Vec<f64>> {
    let seen = Seen::new(plan.retries);
    let worker = naq.work(plan.concurrency, Kind::USUAL, seen.clone()).await?;
    let mut keys = Vec::with_capacity(plan.retries);
    for n in 0..plan.retries {
        keys.push(naq.send_failing(n, delay(n)).await?);
        pause(GAP).await;
    }
    seen.reaches(plan.retries).await?;
    worker.stop().await?;
    let mut late = Vec::with_capacity(keys.len());
    for (n, key) in keys.iter().enumerate() {
        let report = naq.client.report(key).await?;
        let due = report.envelope.and_then(|job| job.due_at);
        late.push(lateness(&seen, n, due.context("a retry without a due time")?)?);
    }
    naq.streams().purge().await?;
    Ok(late)
}

/// The same for messages with a schedule.
async fn scheduled(raw: &Raw, plan: &Plan) -> Result<Vec<f64>> {
    let seen = Seen::new(plan.retries);
    let worker = raw.work(plan.concurrency, Kind::USUAL, seen.clone()).await?;
    let mut dues = Vec::with_capacity(plan.retries);
    for n in 0..plan.retries {
        let due = SystemClock.now() + delay(n);
        raw.enqueue_at(n, due).await?;
        dues.push(due);
        pause(GAP).await;
    }
    seen.reaches(plan.retries).await?;
    worker.stop().await?;
    raw.streams().purge().await?;
    dues.iter().enumerate().map(|(n, due)| lateness(&seen, n, *due)).collect()
}

fn lateness(seen: &Seen, n: usize, due: Timestamp) -> Result<f64> {
    let started = seen.wall_millis(n).context("a job was counted that never started")?;
    Ok(started as f64 - due.as_millis() as f64)
}
