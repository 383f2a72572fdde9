//! Idle latency: the time from the enqueue call to the start of the handler, one job at a time.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::time::{MissedTickBehavior, interval};

use crate::contestant::{Contestant, JobShape, StartTimes};
use crate::contestants::{BenchPlan, Contestants};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::stats::{now, percentile};

/// The time between two jobs.
pub(crate) const GAP: Duration = Duration::from_millis(5);

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let mut p50 =
        BenchFigure::new("idle latency, p50", FigureUnit::Micros, FigureTarget::RatioAtMost(1.3));
    let mut p99 = BenchFigure::new("idle latency, p99", FigureUnit::Micros, FigureTarget::None);
    for round in 0..plan.rounds {
        plan.progress(format_args!("idle latency, round {} of {}", round + 1, plan.rounds));
        let naq = flow(&contestants.naq, plan).await?;
        let raw = flow(&contestants.raw, plan).await?;
        p50.pair(percentile(&naq, 0.5), percentile(&raw, 0.5));
        p99.pair(percentile(&naq, 0.99), percentile(&raw, 0.99));
        contestants.naq.streams().purge().await?;
        contestants.raw.streams().purge().await?;
    }
    Ok(vec![p50.done(), p99.done()])
}

/// Enqueues jobs at an even pace to an idle worker. Returns the time that each took to start, in
/// microseconds.
pub(crate) async fn flow(side: &impl Contestant, plan: &BenchPlan) -> Result<Vec<f64>> {
    // The first jobs warm up caches and connections and are not counted.
    let (warm, jobs) = (20, 20 + plan.samples);
    let seen = StartTimes::new(jobs);
    let worker = side.work(plan.concurrency, JobShape::DEFAULT, seen.clone()).await?;
    let mut starts: Vec<Instant> = Vec::with_capacity(jobs);
    let mut pace = interval(GAP);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for n in 0..jobs {
        pace.tick().await;
        starts.push(now());
        side.enqueue(n, JobShape::DEFAULT).await?;
    }
    seen.reaches(jobs).await?;
    worker.stop().await?;
    let times = starts.iter().enumerate().skip(warm).map(|(n, start)| seen.micros_since(n, *start));
    times.collect::<Option<_>>().context("a job was counted that never started")
}
