//! A worker whose jobs call a service that is sometimes down. Tests use it to prove that breakers
//! and retry budgets work across processes. The service belongs to the test and sees every call.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_core::flow::RetryBudget;
use naq_core::flow::breaker::BreakerConfig;
use naq_core::{ErrorKind, Failure, Job, QueueName, WorkerId};
use naq_nats::{NatsConfig, NatsTransport};
use naq_worker::{Context, Exit, Registry, TaskOptions, Worker};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The lease of its deliveries, and so of its breaker probes.
pub const LEASE: Duration = Duration::from_secs(2);
/// The number of slots of each worker.
pub const SLOTS: usize = 8;

/// The breaker for the calls of [`BreakerJob`].
pub fn breaker() -> BreakerConfig {
    BreakerConfig::new()
        .failures(8)
        .window(Duration::from_secs(10))
        .open_for(Duration::from_secs(1))
        .growth(1.5, Duration::from_secs(2))
        .probes(2)
        .successes(6)
        .recovery(Duration::from_secs(4))
}

/// The retry budget for the calls of [`BudgetJob`].
pub fn budget() -> RetryBudget {
    RetryBudget::new(0.2, 10.0).burst(12)
}

/// A job that calls the service under the breaker.
#[derive(Debug, Serialize, Deserialize)]
pub struct BreakerJob;

/// A job that calls the service, and whose retries have a budget.
#[derive(Debug, Serialize, Deserialize)]
pub struct BudgetJob;

impl Job for BreakerJob {
    const NAME: &'static str = "call.guarded";
    type Output = ();
}

impl Job for BudgetJob {
    const NAME: &'static str = "call.budgeted";
    type Output = ();
}

/// The arguments of a worker that calls the service.
#[derive(Debug, Args)]
pub struct CallerArgs {
    /// The broker's URL.
    #[arg(long)]
    url: String,
    /// The worker's name.
    #[arg(long)]
    name: String,
    /// The service's address.
    #[arg(long)]
    service: SocketAddr,
    /// The key of the breaker.
    #[arg(long)]
    breaker: String,
    /// Its queue.
    queue: QueueName,
}

/// One call: sends a line and waits for one byte, without a time limit.
async fn call(cx: &Context<SocketAddr>) -> Result<(), Failure> {
    let failed = |err: std::io::Error| Failure::new(ErrorKind::CONNECTION, err.to_string());
    let mut service = TcpStream::connect(cx.state()).await.map_err(failed)?;
    let line = format!("{} {} {}\n", cx.job_id(), cx.attempt(), cx.worker_id());
    service.write_all(line.as_bytes()).await.map_err(failed)?;
    match service.read_u8().await.map_err(failed)? {
        b'+' => Ok(()),
        _ => Err(Failure::new(ErrorKind::CONNECTION, "the service is down")),
    }
}

async fn guarded(_: BreakerJob, cx: Context<SocketAddr>) -> Result<(), Failure> {
    call(&cx).await
}

async fn budgeted(_: BudgetJob, cx: Context<SocketAddr>) -> Result<(), Failure> {
    call(&cx).await
}

/// Runs the worker until it gets a stop signal.
///
/// # Errors
/// The worker could not start, or failed.
pub async fn work(args: CallerArgs) -> Result<Exit> {
    let mut config = NatsConfig::new(args.url).name("naq-faults");
    config.wait_for_broker = true;
    let transport = std::sync::Arc::new(NatsTransport::connect(config).await?);
    let registry = Registry::with_state(args.service)
        .breaker(&args.breaker, breaker())
        .task_with(guarded, TaskOptions::new().breaker(&args.breaker))
        .task_with(budgeted, TaskOptions::new().retry_budget(budget()));
    let worker = Worker::builder(Client::new(transport), registry)
        .queue(args.queue)
        .concurrency(SLOTS)
        .lease(LEASE)
        .id(WorkerId::new(&args.name)?)
        .shutdown_timeout(Duration::from_secs(5))
        .build();
    Ok(worker.run_until_signal().await?)
}
