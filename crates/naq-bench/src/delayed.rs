//! The latency of new jobs while many other jobs wait for their due time. The waiting jobs should not
//! make it longer.

use std::time::Duration;

use anyhow::Result;

use crate::contestant::{Contestant, JobShape};
use crate::contestants::{BenchPlan, Contestants};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::latency::flow;
use crate::stats::percentile;

/// The waiting jobs. Their delay is longer than the benchmark, so none becomes due.
const WAITING: JobShape = JobShape { records: true, delay: Some(Duration::from_secs(3600)) };

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let alone = "the same without waiting jobs";
    let figure = |name, target| BenchFigure::new(name, FigureUnit::Micros, target);
    let mut p50 = figure("fresh job beside waiting ones, p50", FigureTarget::None).against(alone);
    let mut p99 =
        figure("fresh job beside waiting ones, p99", FigureTarget::RatioAtMost(2.0)).against(alone);
    let mut p50_raw = figure("fresh job beside waiting ones, p50", FigureTarget::None);
    let mut p99_raw = figure("fresh job beside waiting ones, p99", FigureTarget::None);
    for round in 0..plan.rounds {
        plan.progress(format_args!(
            "{} waiting jobs, round {} of {}",
            plan.waiting,
            round + 1,
            plan.rounds
        ));
        let without = flow(&contestants.naq, plan).await?;
        let naq = beside_waiting(&contestants.naq, plan).await?;
        let raw = beside_waiting(&contestants.raw, plan).await?;
        p50.pair(percentile(&naq, 0.5), percentile(&without, 0.5));
        p99.pair(percentile(&naq, 0.99), percentile(&without, 0.99));
        p50_raw.pair(percentile(&naq, 0.5), percentile(&raw, 0.5));
        p99_raw.pair(percentile(&naq, 0.99), percentile(&raw, 0.99));
    }
    Ok(vec![p50.done(), p99.done(), p50_raw.done(), p99_raw.done()])
}

async fn beside_waiting(side: &impl Contestant, plan: &BenchPlan) -> Result<Vec<f64>> {
    side.enqueue_many(plan.waiting, WAITING).await?;
    let times = flow(side, plan).await?;
    side.streams().purge().await?;
    Ok(times)
}
