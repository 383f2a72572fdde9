//! Idle latency: from the call of enqueue until the handler starts, one job at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval};

use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::side::{Kind, Seen, Side};
use super::stats::{now, percentile};

/// Between two jobs.
pub(super) const GAP: Duration = Duration::from_millis(5);

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let mut p50 = Figure::new("idle latency, p50", Unit::Micros, Target::RatioAtMost(1.3));
    let mut p99 = Figure::new("idle latency, p99", Unit::Micros, Target::None);
    for round in 0..plan.rounds {
        plan.progress(format_args!("idle latency, round {} of {}", round + 1, plan.rounds));
        let naq = flow(&arena.naq, plan).await?;
        let raw = flow(&arena.raw, plan).await?;
        p50.pair(percentile(&naq, 0.5), percentile(&raw, 0.5));
        p99.pair(percentile(&naq, 0.99), percentile(&raw, 0.99));
        arena.naq.streams().purge().await?;
        arena.raw.streams().purge().await?;
    }
    Ok(vec![p50.done(), p99.done()])
}

/// Enqueues jobs at an even pace to an idle worker; the time that each took to start, in
/// microseconds.
pub(super) async fn flow(side: &impl Side, plan: &Plan) -> Result<Vec<f64>> {
    // The first few warm caches and connections up.
    let (warm, jobs) = (20, 20 + plan.samples);
    let seen = Seen::new(jobs);
    let worker = side.work(plan.concurrency, Kind::USUAL, seen.clone()).await?;
    let mut starts: Vec<Instant> = Vec::with_capacity(jobs);
    let mut pace = interval(GAP);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..jobs {
        pace.tick().await;
        starts.push(now());
        side.enqueue(n, Kind::USUAL).await?;
    }
    seen.reaches(jobs).await?;
    worker.stop().await?;
    let times = starts.iter().enumerate().skip(warm).map(|(n, start)| seen.micros_since(n, *start));
    times.collect::<Option<_>>().context("a job was counted that never started")
}
