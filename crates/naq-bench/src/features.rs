//! The cost of a dependency, a key, a limit, a signature, encryption or compression: jobs that have one compared with
//! plain jobs, round by round. No gate holds a job back, so this measures the cost of the check, not of the wait.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use async_nats::Statistics;
use naq_client::{Client, Enqueue, JobHandle};
use naq_core::compress::Compression;
use naq_core::seal::KeyRing;
use naq_core::sign::{SigningKey, TrustedKeys};
use naq_nats::NatsTransport;

use crate::contestant::{Contestant, StartTimes, wait_until_empty};
use crate::contestants::{BenchPlan, Contestants};
use crate::cpu::{CostSamples, CpuMeter, RunCost};
use crate::figure::{BenchFigure, FigureTarget, FigureUnit};
use crate::naq::{BenchJob, NaqContestant, run, run_strict};

/// Keys that jobs share in turn, so that neighbours in the queue never have the same one.
const KEYS: usize = 100;

/// What a job has and a plain job does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Feature {
    Nothing,
    UniqueKey,
    ConcurrencyKey,
    RateLimit,
    Dependency,
    Signature,
    Encryption,
    /// Arguments of [`LARGE`] bytes, with which compression is compared.
    LargeArgs,
    Compression,
}

/// The size of the arguments that are compressed, in bytes.
const LARGE: usize = 16 * 1024;

impl Feature {
    /// `Nothing` comes first: it shows how much two equal measurements differ.
    const ALL: [Self; 8] = [
        Self::Nothing,
        Self::UniqueKey,
        Self::ConcurrencyKey,
        Self::RateLimit,
        Self::Dependency,
        Self::Signature,
        Self::Encryption,
        Self::Compression,
    ];

    /// What jobs with the feature are compared with, and its name.
    fn baseline(self) -> (Self, &'static str) {
        match self {
            Self::Compression => (Self::LargeArgs, "the same job, not compressed"),
            _ => (Self::Nothing, "a plain job"),
        }
    }

    /// Adds the feature to job number `n`. `on` is the parent that a dependency needs.
    fn add<'a>(
        self,
        job: Enqueue<'a, ()>,
        n: usize,
        on: Option<&JobHandle<()>>,
    ) -> Enqueue<'a, ()> {
        let key = || format!("bench-{}", n % KEYS);
        match (self, on) {
            (Self::Nothing | Self::Signature | Self::Encryption, _)
            | (Self::LargeArgs | Self::Compression, _)
            | (Self::Dependency, None) => job,
            (Self::UniqueKey, _) => job.unique(format!("bench-{n}")),
            (Self::ConcurrencyKey, _) => job.concurrency_key(key(), 1000),
            (Self::RateLimit, _) => job.rate_limit(key(), 1_000_000, Duration::from_secs(1)),
            (Self::Dependency, Some(on)) => job.depends_on(on),
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "with nothing",
            Self::UniqueKey => "with a unique key",
            Self::ConcurrencyKey => "with a concurrency key",
            Self::RateLimit => "with a rate limit",
            Self::Dependency => "with a dependency (half of them)",
            Self::Signature => "with a signature",
            Self::Encryption => "with encrypted arguments",
            Self::LargeArgs => "with 16 KiB of arguments",
            Self::Compression => "with 16 KiB of compressed arguments",
        })
    }
}

pub(crate) async fn measure(
    contestants: &Contestants,
    plan: &BenchPlan,
) -> Result<Vec<BenchFigure>> {
    let mut figures = Vec::new();
    for feature in Feature::ALL {
        let (baseline, name) = feature.baseline();
        let costs = |what| {
            CostSamples::new(&format!("{what}, {feature}"), FigureTarget::None).against(name)
        };
        let (mut enqueue, mut drain) = (costs("enqueue"), costs("drain"));
        let mut sent =
            BenchFigure::new("  messages sent a job", FigureUnit::Messages, FigureTarget::None);
        for round in 0..plan.rounds {
            plan.progress(format_args!("jobs {feature}, round {} of {}", round + 1, plan.rounds));
            let with = measure_jobs(&contestants.naq, plan, feature).await?;
            let plain = measure_jobs(&contestants.naq, plan, baseline).await?;
            enqueue.pair(with.enqueue, plain.enqueue);
            drain.pair(with.drain, plain.drain);
            sent.pair(with.sent, plain.sent);
        }
        figures.extend(enqueue.done());
        figures.extend(drain.done());
        figures.push(sent.against(name).done());
    }
    Ok(figures)
}

/// What a round of jobs with a feature costs, from enqueue to the ack.
struct FeatureCost {
    enqueue: RunCost,
    drain: RunCost,
    /// Messages sent to the broker for each job, acks included.
    sent: f64,
}

/// Enqueues jobs while the queue is paused, and then drains them.
async fn measure_jobs(
    naq: &NaqContestant,
    plan: &BenchPlan,
    feature: Feature,
) -> Result<FeatureCost> {
    let seen = StartTimes::new(0);
    let connections = [counted(naq).await?, counted(naq).await?];
    let clients = connections.each_ref().map(|(client, _)| client.clone());
    let [producer, worker] = protected(clients, feature)?;
    let sent = || connections.iter().map(|(_, s)| s.out_messages.load(Ordering::Relaxed)).sum();
    let run = if feature == Feature::Signature { run_strict } else { run };
    let worker = run(worker, plan.concurrency, seen.clone());
    producer.enqueue(naq.probe(0)).await?;
    seen.reaches(1).await?;
    naq.streams().pause(true).await?;

    let before: u64 = sent();
    let mut parents = Vec::new();
    if feature == Feature::Dependency {
        parents = enqueue(&producer, naq, plan.jobs / 2, feature, &[]).await?;
    }
    let jobs = plan.jobs - parents.len();
    let meter = CpuMeter::start(plan.broker);
    enqueue(&producer, naq, jobs, feature, &parents).await?;
    let enqueued = meter.stop(jobs);

    let meter = CpuMeter::start(plan.broker);
    naq.streams().pause(false).await?;
    // The broker resumes a paused consumer only when the next message arrives in its stream.
    producer.enqueue(naq.probe(0)).await?;
    seen.reaches(2 + plan.jobs).await?;
    wait_until_empty(naq.streams()).await?;
    let drain = meter.stop(plan.jobs);
    let sent: u64 = sent() - before;
    worker.stop().await?;
    naq.streams().purge().await?;
    Ok(FeatureCost { enqueue: enqueued, drain, sent: sent as f64 / plan.jobs as f64 })
}

/// The clients, with the keys that the feature needs.
fn protected(clients: [Client; 2], feature: Feature) -> Result<[Client; 2]> {
    Ok(match feature {
        Feature::Signature => {
            let key = SigningKey::generate();
            let trusted: TrustedKeys = format!("bench {}", key.public()).parse()?;
            clients.map(|client| client.sign_with(key.clone()).trusted_keys(trusted.clone()))
        }
        Feature::Encryption => {
            let ring: KeyRing = format!("bench {}", KeyRing::generate_key()).parse()?;
            clients.map(|client| client.encrypt_with(ring.clone()))
        }
        Feature::Compression => clients.map(|client| client.compress(Compression::Lz4)),
        _ => clients,
    })
}

/// Text such as reports have: words that repeat, with numbers that do not.
fn large_text() -> String {
    let row = |n: usize| format!("order {}, ann-{n}@example.com, 19.90 EUR; ", n * 7919);
    let mut text: String = (0..).map(row).take(LARGE / 32).collect();
    text.truncate(LARGE);
    text
}

/// A connection, and the statistics that count its messages.
async fn counted(naq: &NaqContestant) -> Result<(Client, Arc<Statistics>)> {
    let transport = NatsTransport::connect(naq.config.clone()).await?;
    let statistics = transport.client().statistics();
    Ok((Client::new(Arc::new(transport)), statistics))
}

async fn enqueue(
    client: &Client,
    naq: &NaqContestant,
    jobs: usize,
    feature: Feature,
    on: &[JobHandle<()>],
) -> Result<Vec<JobHandle<()>>> {
    let is_large = matches!(feature, Feature::LargeArgs | Feature::Compression);
    let pad = is_large.then(large_text);
    let job = |n| {
        let plain = naq.probe(n);
        BenchJob { pad: pad.clone().unwrap_or(plain.pad), ..plain }
    };
    let jobs = (0..jobs).map(|n| feature.add(client.enqueue(job(n)), n, on.get(n)));
    let sent = client.enqueue_many(jobs).await.into_iter();
    Ok(sent.collect::<Result<_, _>>()?)
}
