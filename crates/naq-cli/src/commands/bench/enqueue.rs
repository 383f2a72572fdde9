//! Enqueue: one job at a time, each awaited; and many with many under way.

use anyhow::Result;

use super::arena::{Arena, Plan};
use super::cpu::{Cost, Costs, Meter};
use super::figure::{Figure, Target};
use super::side::{Kind, Side};

/// Of the jobs of a round, those that are sent one at a time: it is some ten times slower.
const ONE_AT_A_TIME: usize = 10;

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let target = Target::RatioAtLeast(0.9);
    let mut single = Costs::new("enqueue, one at a time", target);
    let mut many = Costs::new("enqueue, pipelined", target);
    let few = (plan.jobs / ONE_AT_A_TIME).max(1);
    for round in 0..plan.rounds {
        plan.progress(format_args!("enqueue, round {} of {}", round + 1, plan.rounds));
        let (naq, raw) = (&arena.naq, &arena.raw);
        single.pair(one_at_a_time(naq, plan, few).await?, one_at_a_time(raw, plan, few).await?);
        many.pair(pipelined(naq, plan).await?, pipelined(raw, plan).await?);
    }
    Ok([single.done(), many.done()].concat())
}

async fn one_at_a_time(side: &impl Side, plan: &Plan, jobs: usize) -> Result<Cost> {
    let meter = Meter::start(plan.broker);
    for n in 0..jobs {
        side.enqueue(n, Kind::USUAL).await?;
    }
    let cost = meter.stop(jobs);
    side.streams().purge().await?;
    Ok(cost)
}

async fn pipelined(side: &impl Side, plan: &Plan) -> Result<Cost> {
    let meter = Meter::start(plan.broker);
    side.enqueue_many(plan.jobs, Kind::USUAL).await?;
    let cost = meter.stop(plan.jobs);
    side.streams().purge().await?;
    Ok(cost)
}
