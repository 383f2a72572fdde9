//! Enqueue: one job at a time, each awaited; and many with many under way.

use anyhow::Result;

use super::arena::{Arena, Plan};
use super::figure::{Figure, Target, Unit};
use super::side::{Kind, Side};
use super::stats::{now, rate};

/// Of the jobs of a round, those that are sent one at a time: it is some ten times slower.
const ONE_AT_A_TIME: usize = 10;

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let target = Target::RatioAtLeast(0.9);
    let mut single = Figure::new("enqueue, one at a time", Unit::PerSecond, target);
    let mut many = Figure::new("enqueue, pipelined", Unit::PerSecond, target);
    let few = (plan.jobs / ONE_AT_A_TIME).max(1);
    for round in 0..plan.rounds {
        plan.progress(format_args!("enqueue, round {} of {}", round + 1, plan.rounds));
        single.pair(one_at_a_time(&arena.naq, few).await?, one_at_a_time(&arena.raw, few).await?);
        many.pair(pipelined(&arena.naq, plan.jobs).await?, pipelined(&arena.raw, plan.jobs).await?);
    }
    Ok(vec![single.done(), many.done()])
}

async fn one_at_a_time(side: &impl Side, jobs: usize) -> Result<f64> {
    let start = now();
    for n in 0..jobs {
        side.enqueue(n, Kind::USUAL).await?;
    }
    let rate = rate(jobs, start.elapsed());
    side.streams().purge().await?;
    Ok(rate)
}

async fn pipelined(side: &impl Side, jobs: usize) -> Result<f64> {
    let start = now();
    side.enqueue_many(jobs, Kind::USUAL).await?;
    let rate = rate(jobs, start.elapsed());
    side.streams().purge().await?;
    Ok(rate)
}
