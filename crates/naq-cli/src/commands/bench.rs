//! `naq bench`: NAQ against raw async-nats doing the same broker work, in the same run and in turn.

mod arena;
mod cpu;
mod dashboard;
mod decide;
mod delayed;
mod drain;
mod enqueue;
mod features;
mod figure;
mod latency;
mod memory;
mod naq;
mod raw;
mod retries;
mod side;
mod stats;
mod topology;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use naq_core::{Clock, SystemClock, Timestamp};
use naq_nats::NatsConfig;
use serde::Serialize;

use super::dev::server::{DevServer, find};
use crate::output::{Format, Output};
use arena::{Arena, Plan};
use figure::Figure;

/// Jobs of one round, unless it is said.
const JOBS: u32 = 20_000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Everything
    All,
    /// Enqueue, one at a time and pipelined
    Enqueue,
    /// Drain of jobs that do nothing, with records and without
    Drain,
    /// From enqueue to the start of the handler, idle
    Latency,
    /// How late retries start
    Retries,
    /// Fresh jobs beside many waiting ones
    Delayed,
    /// Jobs with a key, a limit, a dependency, beside plain ones
    Features,
    /// Memory of a worker process
    Memory,
    /// The dashboard beside a million jobs and 200 tabs; not part of all
    Dashboard,
    /// One retry decision
    Decide,
}

/// What needs a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The worker whose memory is measured.
    Worker,
    /// The worker of jobs that come and go beside the dashboard. Many of them die, and it says so.
    Traffic,
    /// The dashboard.
    Dashboard,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq bench --quick
  naq bench enqueue drain --jobs 50000 --rounds 7
  naq bench dashboard --jobs 100000 --tabs 50
  naq bench -u nats://localhost:4222 -o json > bench.json

Without --nats-url it starts a broker of its own (NAQ_NATS_SERVER, or nats-server on PATH), on
loopback, in a temporary directory. On a broker of yours it uses streams with a prefix of their own
and removes them at the end. Nothing else should run on the machine meanwhile.")]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_value = "all")]
    measures: Vec<Measure>,
    /// Jobs of one round of enqueue and drain [default: 20000], or stored beside the dashboard
    /// [default: 1000000]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    jobs: Option<u32>,
    /// Tabs open on the dashboard; every tenth hardly reads
    #[arg(long, value_name = "N", default_value_t = dashboard::TABS, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    tabs: u32,
    /// Rounds: each measures both sides; medians are shown
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Slots of the worker
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: u32,
    /// Size of a job's arguments in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 300, value_parser = clap::value_parser!(u32).range(16..=500_000))]
    payload: u32,
    /// Waiting jobs beside fresh ones
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=2_000_000))]
    waiting: u32,
    /// One round of a little of everything, in less than a minute: a look, not a measurement
    #[arg(long)]
    quick: bool,
    /// Is a part of a benchmark in a process of its own, under a prefix
    #[arg(long, value_name = "PART", hide = true, requires = "as_prefix")]
    r#as: Option<Part>,
    #[arg(long, value_name = "PREFIX", hide = true)]
    as_prefix: Option<String>,
}

/// The whole result.
#[derive(Debug, Serialize)]
struct Report {
    at: Timestamp,
    naq: &'static str,
    server: Option<String>,
    jobs: usize,
    rounds: usize,
    concurrency: usize,
    payload: u32,
    waiting: usize,
    figures: Vec<Figure>,
}

impl BenchArgs {
    fn plan(&self, out: Output) -> Plan {
        let full = Plan {
            jobs: self.jobs.unwrap_or(JOBS) as usize,
            rounds: self.rounds as usize,
            concurrency: self.concurrency as usize,
            samples: 1000,
            retries: 300,
            waiting: self.waiting as usize,
            broker: None,
            out,
        };
        if !self.quick {
            return full;
        }
        Plan {
            jobs: full.jobs.min(5000),
            rounds: 1,
            samples: 200,
            retries: 50,
            waiting: full.waiting.min(10_000),
            ..full
        }
    }

    fn load(&self) -> dashboard::Load {
        let jobs = self.jobs.unwrap_or(dashboard::JOBS) as usize;
        let full = dashboard::Load {
            jobs,
            tabs: self.tabs as usize,
            visits: 20,
            span: Duration::from_secs(20),
        };
        if !self.quick {
            return full;
        }
        let (jobs, tabs) = (jobs.min(20_000), full.tabs.min(20));
        dashboard::Load { jobs, tabs, visits: 3, span: Duration::from_secs(3) }
    }

    fn wants(&self, measure: Measure) -> bool {
        let whole = [Measure::All, measure];
        let asked = if measure == Measure::Dashboard { &whole[1..] } else { &whole };
        self.measures.iter().any(|given| asked.contains(given))
    }

    fn wants_broker(&self) -> bool {
        self.measures.iter().any(|given| *given != Measure::Decide)
    }
}

/// Runs it on the broker of `config`, or on one of its own.
pub(crate) async fn run(args: &BenchArgs, config: Option<NatsConfig>, out: Output) -> Result<()> {
    if let (Some(part), Some(prefix), Some(config)) = (args.r#as, &args.as_prefix, &config) {
        let config = config.clone().prefix(prefix);
        return match part {
            Part::Worker => memory::work(config).await,
            Part::Traffic => dashboard::work(config).await,
            Part::Dashboard => dashboard::serve(config, args.load().tabs, out).await,
        };
    }
    let mut plan = args.plan(out);
    let mut figures = Vec::new();
    let mut server = None;
    if args.wants_broker() {
        let (measured, on) = match config {
            Some(config) => on_broker(args, &plan, config).await?,
            None => {
                let own = DevServer::start(&find()?, 0, None)?;
                plan.broker = own.pid();
                let config = NatsConfig::new(own.url()).name("naq-bench");
                let measured = match side::listening(own.url()).await {
                    Ok(()) => on_broker(args, &plan, config).await,
                    Err(error) => Err(error),
                };
                own.stop().await;
                measured?
            }
        };
        figures = measured;
        server = Some(on);
    }
    if args.wants(Measure::Decide) {
        figures.extend(decide::measure(plan.rounds)?);
    }
    let report = Report {
        at: SystemClock.now(),
        naq: env!("CARGO_PKG_VERSION"),
        server,
        jobs: plan.jobs,
        rounds: plan.rounds,
        concurrency: plan.concurrency,
        payload: args.payload,
        waiting: plan.waiting,
        figures,
    };
    match out.format() {
        Format::Table => out.list(&report.figures),
        Format::Json | Format::Jsonl => out.one(&report, String::new),
    }
}

/// Measures, and removes what it made also when that fails or is broken off.
async fn on_broker(
    args: &BenchArgs,
    plan: &Plan,
    config: NatsConfig,
) -> Result<(Vec<Figure>, String)> {
    let arena = Arena::open(config, args.payload as usize).await?;
    let measured = tokio::select! {
        measured = measure(args, plan, &arena) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("broken off")),
    };
    let closed = arena.close().await;
    let measured = measured?;
    closed?;
    Ok(measured)
}

async fn measure(args: &BenchArgs, plan: &Plan, arena: &Arena) -> Result<(Vec<Figure>, String)> {
    let server = arena.naq.client.transport().broker().await?.server;
    let mut figures = Vec::new();
    if args.wants(Measure::Enqueue) {
        figures.extend(enqueue::measure(arena, plan).await?);
    }
    if args.wants(Measure::Drain) {
        figures.extend(drain::measure(arena, plan).await?);
    }
    if args.wants(Measure::Latency) {
        figures.extend(latency::measure(arena, plan).await?);
    }
    if args.wants(Measure::Retries) {
        figures.extend(retries::measure(arena, plan).await?);
    }
    if args.wants(Measure::Delayed) {
        figures.extend(delayed::measure(arena, plan).await?);
    }
    if args.wants(Measure::Features) {
        figures.extend(features::measure(arena, plan).await?);
    }
    if args.wants(Measure::Memory) {
        figures.extend(memory::measure(arena, plan).await?);
    }
    if args.wants(Measure::Dashboard) {
        figures.extend(dashboard::measure(arena, plan, args.load()).await?);
    }
    Ok((figures, server))
}
