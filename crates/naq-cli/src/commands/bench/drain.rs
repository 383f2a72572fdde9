//! Drain: jobs that do nothing, through a real worker, against pull and ack by hand. From the moment
//! that the first may be handed out until the queue is empty.

use anyhow::Result;

use super::arena::{Arena, Plan};
use super::cpu::{Cost, Costs, Meter};
use super::figure::{Figure, Target};
use super::side::{Kind, Seen, Side, empty};

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let costs = |name| Costs::new(name, Target::RatioAtLeast(0.85));
    let mut with = costs("drain, with records");
    let mut without = costs("drain, without records");
    let mut backlog = costs("drain, with records, of an old backlog");
    let (records, none) = (Kind::USUAL, Kind { records: false, ..Kind::USUAL });
    for round in 0..plan.rounds {
        plan.progress(format_args!("drain, round {} of {}", round + 1, plan.rounds));
        let (naq, raw) = (&arena.naq, &arena.raw);
        with.pair(fresh(naq, plan, records).await?, fresh(raw, plan, records).await?);
        without.pair(fresh(naq, plan, none).await?, fresh(raw, plan, none).await?);
        backlog.pair(old(naq, plan, records).await?, old(raw, plan, records).await?);
    }
    Ok([with.done(), without.done(), backlog.done()].concat())
}

/// The worker is there before the jobs are.
async fn fresh(side: &impl Side, plan: &Plan, kind: Kind) -> Result<Cost> {
    let seen = Seen::new(0);
    let worker = side.work(plan.concurrency, kind, seen.clone()).await?;
    side.enqueue(0, kind).await?;
    seen.reaches(1).await?;
    side.streams().pause(true).await?;
    side.enqueue_many(plan.jobs, kind).await?;
    let meter = Meter::start(plan.broker);
    side.streams().pause(false).await?;
    // The broker looks at a consumer that was paused when something next happens in its stream.
    side.enqueue(0, kind).await?;
    seen.reaches(2 + plan.jobs).await?;
    empty(side.streams()).await?;
    let cost = meter.stop(plan.jobs);
    worker.stop().await?;
    side.streams().purge().await?;
    Ok(cost)
}

/// The jobs are there before the worker is: NAQ then looks, for each, whether it was settled before.
/// The time to connect and to start counts.
async fn old(side: &impl Side, plan: &Plan, kind: Kind) -> Result<Cost> {
    side.enqueue_many(plan.jobs, kind).await?;
    let seen = Seen::new(0);
    let meter = Meter::start(plan.broker);
    let worker = side.work(plan.concurrency, kind, seen.clone()).await?;
    seen.reaches(plan.jobs).await?;
    empty(side.streams()).await?;
    let cost = meter.stop(plan.jobs);
    worker.stop().await?;
    side.streams().purge().await?;
    Ok(cost)
}
