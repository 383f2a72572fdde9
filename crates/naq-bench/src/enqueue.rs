//! Enqueue, in two ways: one job at a time, and pipelined with many requests in flight.

use anyhow::Result;

use crate::contestant::{Contestant, JobShape};
use crate::contestants::{BenchPlan, Contestants};
use crate::cpu::{CostSamples, CpuMeter, RunCost};
use crate::figure::{BenchFigure, FigureTarget};

/// One job in this many of a round is also sent one at a time, which is about ten times slower.
const ONE_AT_A_TIME: usize = 10;

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let target = FigureTarget::RatioAtLeast(0.9);
    let mut single = CostSamples::new("enqueue, one at a time", target);
    let mut many = CostSamples::new("enqueue, pipelined", target);
    let few = (plan.jobs / ONE_AT_A_TIME).max(1);
    for round in 0..plan.rounds {
        plan.progress(format_args!("enqueue, round {} of {}", round + 1, plan.rounds));
        let (naq, raw) = (&contestants.naq, &contestants.raw);
        single.pair(one_at_a_time(naq, plan, few).await?, one_at_a_time(raw, plan, few).await?);
        many.pair(pipelined(naq, plan).await?, pipelined(raw, plan).await?);
    }
    Ok([single.done(), many.done()].concat())
}

async fn one_at_a_time(side: &impl Contestant, plan: &BenchPlan, jobs: usize) -> Result<RunCost> {
    let meter = CpuMeter::start(plan.broker);
    for n in 0..jobs {
        side.enqueue(n, JobShape::DEFAULT).await?;
    }
    let cost = meter.stop(jobs);
    side.streams().purge().await?;
    Ok(cost)
}

async fn pipelined(side: &impl Contestant, plan: &BenchPlan) -> Result<RunCost> {
    let meter = CpuMeter::start(plan.broker);
    side.enqueue_many(plan.jobs, JobShape::DEFAULT).await?;
    let cost = meter.stop(plan.jobs);
    side.streams().purge().await?;
    Ok(cost)
}
