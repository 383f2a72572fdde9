//! Fresh jobs beside many that wait for their time: they should notice nothing.

use std::time::Duration;

use anyhow::Result;

use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::latency::flow;
use super::side::{Kind, Side};
use super::stats::percentile;

/// Far enough away that none comes due.
const WAITING: Kind = Kind { records: true, delay: Some(Duration::from_secs(3600)) };

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let alone = "the same without waiting jobs";
    let figure = |name, target| Figure::new(name, Unit::Micros, target);
    let mut p50 = figure("fresh job beside waiting ones, p50", Target::None).against(alone);
    let mut p99 =
        figure("fresh job beside waiting ones, p99", Target::RatioAtMost(2.0)).against(alone);
    let mut p50_raw = figure("fresh job beside waiting ones, p50", Target::None);
    let mut p99_raw = figure("fresh job beside waiting ones, p99", Target::None);
    for round in 0..plan.rounds {
        plan.progress(format_args!(
            "{} waiting jobs, round {} of {}",
            plan.waiting,
            round + 1,
            plan.rounds
        ));
        let without = flow(&arena.naq, plan).await?;
        let naq = beside_waiting(&arena.naq, plan).await?;
        let raw = beside_waiting(&arena.raw, plan).await?;
        p50.pair(percentile(&naq, 0.5), percentile(&without, 0.5));
        p99.pair(percentile(&naq, 0.99), percentile(&without, 0.99));
        p50_raw.pair(percentile(&naq, 0.5), percentile(&raw, 0.5));
        p99_raw.pair(percentile(&naq, 0.99), percentile(&raw, 0.99));
    }
    Ok(vec![p50.done(), p99.done(), p50_raw.done(), p99_raw.done()])
}

async fn beside_waiting(side: &impl Side, plan: &Plan) -> Result<Vec<f64>> {
    side.enqueue_many(plan.waiting, WAITING).await?;
    let times = flow(side, plan).await?;
    side.streams().purge().await?;
    Ok(times)
}
