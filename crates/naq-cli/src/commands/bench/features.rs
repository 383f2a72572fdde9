//! What a dependency, a key, a limit cost: jobs that have one against plain jobs, in the same run and in
//! turn. Nothing is held back: it is the price of asking that is measured, not of waiting.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use async_nats::Statistics;
use naq_client::{Client, Enqueue, JobHandle};
use naq_nats::NatsTransport;

use super::arena::{Arena, Plan};
use super::cpu::{Cost, Costs, Meter};
use super::figure::{Figure, Target, Unit};
use super::naq::{Naq, run};
use super::side::{Seen, Side, empty};

/// Jobs that share a limit's key do not come one after the other.
const KEYS: usize = 100;

/// What a job has that a plain one has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extra {
    Nothing,
    UniqueKey,
    ConcurrencyKey,
    RateLimit,
    Dependency,
}

impl Extra {
    /// Nothing comes first: how much two equal measurements differ.
    const ALL: [Self; 5] =
        [Self::Nothing, Self::UniqueKey, Self::ConcurrencyKey, Self::RateLimit, Self::Dependency];

    /// The job, with it. A dependency has somebody to depend on.
    fn add<'a>(
        self,
        job: Enqueue<'a, ()>,
        n: usize,
        on: Option<&JobHandle<()>>,
    ) -> Enqueue<'a, ()> {
        let key = || format!("bench-{}", n % KEYS);
        match (self, on) {
            (Self::Nothing, _) | (Self::Dependency, None) => job,
            (Self::UniqueKey, _) => job.unique(format!("bench-{n}")),
            (Self::ConcurrencyKey, _) => job.concurrency_key(key(), 1000),
            (Self::RateLimit, _) => job.rate_limit(key(), 1_000_000, Duration::from_secs(1)),
            (Self::Dependency, Some(on)) => job.depends_on(on),
        }
    }
}

impl fmt::Display for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "with nothing",
            Self::UniqueKey => "with a unique key",
            Self::ConcurrencyKey => "with a concurrency key",
            Self::RateLimit => "with a rate limit",
            Self::Dependency => "with a dependency (half of them)",
        })
    }
}

pub(super) async fn measure(arena: &Arena, plan: &Plan) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for extra in Extra::ALL {
        let costs = |what| Costs::new(&format!("{what}, {extra}"), Target::None).against(PLAIN);
        let (mut enqueue, mut drain) = (costs("enqueue"), costs("drain"));
        let mut sent = Figure::new("  messages sent a job", Unit::Messages, Target::None);
        for round in 0..plan.rounds {
            plan.progress(format_args!("jobs {extra}, round {} of {}", round + 1, plan.rounds));
            let with = life(&arena.naq, plan, extra).await?;
            let plain = life(&arena.naq, plan, Extra::Nothing).await?;
            enqueue.pair(with.enqueue, plain.enqueue);
            drain.pair(with.drain, plain.drain);
            sent.pair(with.sent, plain.sent);
        }
        figures.extend(enqueue.done());
        figures.extend(drain.done());
        figures.push(sent.against(PLAIN).done());
    }
    Ok(figures)
}

/// What jobs that have something are compared with.
const PLAIN: &str = "a plain job";

/// What jobs cost from end to end.
struct Life {
    enqueue: Cost,
    drain: Cost,
    /// Messages that were sent to the broker for each job, acks and all.
    sent: f64,
}

/// Enqueues jobs while none is handed out, and then drains them.
async fn life(naq: &Naq, plan: &Plan, extra: Extra) -> Result<Life> {
    let seen = Seen::new(0);
    let connections = [counted(naq).await?, counted(naq).await?];
    let [producer, worker] = connections.each_ref().map(|(client, _)| client.clone());
    let sent = || connections.iter().map(|(_, s)| s.out_messages.load(Ordering::Relaxed)).sum();
    let worker = run(worker, plan.concurrency, seen.clone());
    producer.enqueue(naq.probe(0)).await?;
    seen.reaches(1).await?;
    naq.streams().pause(true).await?;

    let before: u64 = sent();
    let mut parents = Vec::new();
    if extra == Extra::Dependency {
        parents = enqueue(&producer, naq, plan.jobs / 2, extra, &[]).await?;
    }
    let jobs = plan.jobs - parents.len();
    let meter = Meter::start(plan.broker);
    enqueue(&producer, naq, jobs, extra, &parents).await?;
    let enqueued = meter.stop(jobs);

    let meter = Meter::start(plan.broker);
    naq.streams().pause(false).await?;
    // The broker looks at a consumer that was paused when something next happens in its stream.
    producer.enqueue(naq.probe(0)).await?;
    seen.reaches(2 + plan.jobs).await?;
    empty(naq.streams()).await?;
    let drain = meter.stop(plan.jobs);
    let sent: u64 = sent() - before;
    worker.stop().await?;
    naq.streams().purge().await?;
    Ok(Life { enqueue: enqueued, drain, sent: sent as f64 / plan.jobs as f64 })
}

/// A connection, with what counts its messages.
async fn counted(naq: &Naq) -> Result<(Client, Arc<Statistics>)> {
    let transport = NatsTransport::connect(naq.config.clone()).await?;
    let statistics = transport.client().statistics();
    Ok((Client::new(Arc::new(transport)), statistics))
}

async fn enqueue(
    client: &Client,
    naq: &Naq,
    jobs: usize,
    extra: Extra,
    on: &[JobHandle<()>],
) -> Result<Vec<JobHandle<()>>> {
    let jobs = (0..jobs).map(|n| extra.add(client.enqueue(naq.probe(n)), n, on.get(n)));
    let sent = client.enqueue_many(jobs).await.into_iter();
    Ok(sent.collect::<Result<_, _>>()?)
}
