//! Drain: a real worker runs jobs that do nothing. The other side pulls and acks the same messages with
//! async-nats. The time runs from the resume of the queue until the queue is empty.

use anyhow::Result;

use crate::contestant::{Contestant, JobShape, StartTimes, wait_until_empty};
use crate::contestants::{BenchPlan, Contestants};
use crate::cpu::{CostSamples, CpuMeter, RunCost};
use crate::figure::{BenchFigure, FigureTarget};

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let costs = |name| CostSamples::new(name, FigureTarget::RatioAtLeast(0.85));
    let mut with = costs("drain, with records");
    let mut without = costs("drain, without records");
    let mut filled = costs("drain, with records, of a filled queue");
    let mut restarted = CostSamples::new(
        "drain, with records, of a queue from before a restart",
        FigureTarget::None,
    );
    let (records, none) = (JobShape::DEFAULT, JobShape { records: false, ..JobShape::DEFAULT });
    for round in 0..plan.rounds {
        plan.progress(format_args!("drain, round {} of {}", round + 1, plan.rounds));
        let (naq, raw) = (&contestants.naq, &contestants.raw);
        with.pair(fresh(naq, plan, records).await?, fresh(raw, plan, records).await?);
        without.pair(fresh(naq, plan, none).await?, fresh(raw, plan, none).await?);
        filled.pair(old(naq, plan, records, false).await?, old(raw, plan, records, false).await?);
        restarted.pair(old(naq, plan, records, true).await?, old(raw, plan, records, true).await?);
    }
    Ok([with.done(), without.done(), filled.done(), restarted.done()].concat())
}

/// The worker is connected before the jobs are enqueued.
async fn fresh(side: &impl Contestant, plan: &BenchPlan, kind: JobShape) -> Result<RunCost> {
    let seen = StartTimes::new(0);
    let worker = side.work(plan.concurrency, kind, seen.clone()).await?;
    side.enqueue(0, kind).await?;
    seen.reaches(1).await?;
    side.streams().pause(true).await?;
    side.enqueue_many(plan.jobs, kind).await?;
    let meter = CpuMeter::start(plan.broker);
    side.streams().pause(false).await?;
    // The broker resumes a paused consumer only when the next message arrives in its stream.
    side.enqueue(0, kind).await?;
    seen.reaches(2 + plan.jobs).await?;
    wait_until_empty(side.streams()).await?;
    let cost = meter.stop(plan.jobs);
    worker.stop().await?;
    side.streams().purge().await?;
    Ok(cost)
}

/// The jobs are enqueued before the worker connects. The worker's time to connect and start is included.
/// With `restarted`, NAQ cannot know that the broker has run on since: then it checks for each job whether
/// it was settled before.
async fn old(
    side: &impl Contestant,
    plan: &BenchPlan,
    kind: JobShape,
    restarted: bool,
) -> Result<RunCost> {
    side.enqueue_many(plan.jobs, kind).await?;
    if restarted {
        side.streams().forget_uptime().await?;
    }
    let seen = StartTimes::new(0);
    let meter = CpuMeter::start(plan.broker);
    let worker = side.work(plan.concurrency, kind, seen.clone()).await?;
    seen.reaches(plan.jobs).await?;
    wait_until_empty(side.streams()).await?;
    let cost = meter.stop(plan.jobs);
    worker.stop().await?;
    side.streams().purge().await?;
    Ok(cost)
}
