//! [`run`]: runs the measures that the user asked for, one after the other.

use anyhow::{Context as _, Result};
use naq_core::{Clock, SystemClock};
use naq_nats::NatsConfig;

use crate::args::{BenchArgs, ChildRole, Measure};
use crate::console::Console;
use crate::contestants::{BenchPlan, Contestants};
use crate::figure::BenchFigure;
use crate::report::BenchReport;
use crate::{
    dashboard, decide, delayed, drain, enqueue, features, handlers, latency, memory, retries,
};

/// The broker to measure on.
#[derive(Debug, Clone)]
pub struct Broker {
    /// Its address and the credentials. The prefix is not used.
    pub config: NatsConfig,
    /// Its process, if the caller started it. Then its CPU time is measured too.
    pub pid: Option<u32>,
}

/// Runs the measures that `args` asks for. Measures that need a broker are left out if `broker` is
/// `None`; [`BenchArgs::needs_broker`] says whether there are any.
///
/// # Errors
/// The broker cannot be reached or refuses a request, or a measure did not finish in time. The
/// benchmark's streams are removed in this case too.
pub async fn run(
    args: &BenchArgs,
    broker: Option<Broker>,
    console: Console,
) -> Result<BenchReport> {
    let plan = args.plan(broker.as_ref().and_then(|broker| broker.pid), console);
    let mut figures = Vec::new();
    let mut server = None;
    if let Some(broker) = broker {
        let (measured, name) = measure_on_broker(args, &plan, broker.config).await?;
        figures = measured;
        server = Some(name);
    }
    if args.wants(Measure::Decide) {
        figures.extend(decide::measure(plan.rounds)?);
    }
    Ok(BenchReport {
        at: SystemClock.now(),
        naq: env!("CARGO_PKG_VERSION"),
        server,
        jobs: plan.jobs,
        rounds: plan.rounds,
        concurrency: plan.concurrency,
        payload: args.payload(),
        waiting: plan.waiting,
        figures,
    })
}

/// Runs this process as a child of a benchmark, until its standard input ends.
///
/// # Errors
/// [`BenchArgs::is_child`] is false, or the broker cannot be reached.
pub async fn run_child(args: &BenchArgs, config: NatsConfig, console: Console) -> Result<()> {
    let (role, prefix) = args.child().context("this process is not a child of a benchmark")?;
    let config = config.prefix(prefix);
    match role {
        ChildRole::Worker => memory::work(config).await,
        ChildRole::Traffic => dashboard::work(config).await,
        ChildRole::Dashboard => dashboard::serve(config, args.dashboard_load().tabs, console).await,
    }
}

/// Measures, and then removes the benchmark's streams, also after an error or Ctrl-C.
async fn measure_on_broker(
    args: &BenchArgs,
    plan: &BenchPlan,
    config: NatsConfig,
) -> Result<(Vec<BenchFigure>, String)> {
    let contestants = Contestants::open(config, args.payload() as usize).await?;
    let measured = tokio::select! {
        measured = measure(args, plan, &contestants) => measured,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    let closed = contestants.close().await;
    let measured = measured?;
    closed?;
    Ok(measured)
}

/// The figures, and the broker's name and version.
async fn measure(
    args: &BenchArgs,
    plan: &BenchPlan,
    contestants: &Contestants,
) -> Result<(Vec<BenchFigure>, String)> {
    let server = contestants.naq.client.transport().broker().await?.server;
    let mut figures = Vec::new();
    if args.wants(Measure::Enqueue) {
        figures.extend(enqueue::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Drain) {
        figures.extend(drain::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Latency) {
        figures.extend(latency::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Retries) {
        figures.extend(retries::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Delayed) {
        figures.extend(delayed::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Features) {
        figures.extend(features::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Handlers) {
        figures.extend(handlers::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Memory) {
        figures.extend(memory::measure(contestants, plan).await?);
    }
    if args.wants(Measure::Dashboard) {
        figures.extend(dashboard::measure(contestants, plan, args.dashboard_load()).await?);
    }
    Ok((figures, server))
}
