//! A worker whose jobs call a service that is not always up: for the proof that breakers and retry
//! budgets hold over processes. The service is the test's, and sees every call.

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

/// The lease of its jobs, and so of its probes.
pub const LEASE: Duration = Duration::from_secs(2);
/// Slots of each worker.
pub const SLOTS: usize = 8;

/// The breaker that [`Guarded`] calls run under.
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

/// The budget that [`Budgeted`] calls have.
pub fn budget() -> RetryBudget {
    RetryBudget::new(0.2, 10.0).burst(12)
}

/// A call under the breaker.
#[derive(Debug, Serialize, Deserialize)]
pub struct Guarded;

/// A call whose retries have a budget.
#[derive(Debug, Serialize, Deserialize)]
pub struct Budgeted;

impl Job for Guarded {
    const NAME: &'static str = "call.guarded";
    type Output = ();
}

impl Job for Budgeted {
    const NAME: &'static str = "call.budgeted";
    type Output = ();
}

/// Such a worker.
#[derive(Debug, Args)]
pub struct CallerArgs {
    /// Where the broker is.
    #[arg(long)]
    url: String,
    /// Its name.
    #[arg(long)]
    name: String,
    /// Where the service is.
    #[arg(long)]
    service: SocketAddr,
    /// The key of the breaker.
    #[arg(long)]
    breaker: String,
    /// Its queue.
    queue: QueueName,
}

/// A call: one line there, one byte back, for as long as the service likes.
async fn call(cx: &Context<SocketAddr>) -> Result<(), Failure> {
    let failed = |err: std::io::Error| Failure::new(ErrorKind::CONNECTION, err.to_string());
    let mut service = TcpStream::connect(cx.state()).await.map_err(failed)?;
    let line = format!("{} {} {}\n", cx.job_id(), cx.attempt(), cx.worker_id());
    service.write_all(line.as_bytes()).await.map_err(failed)?;
    match service.read_u8().await.map_err(failed)? {
        b'+' => Ok(()),
        _ => Err(Failure::new(ErrorKind::CONNECTION, "it is down")),
    }
}

async fn guarded(_: Guarded, cx: Context<SocketAddr>) -> Result<(), Failure> {
    call(&cx).await
}

async fn budgeted(_: Budgeted, cx: Context<SocketAddr>) -> Result<(), Failure> {
    call(&cx).await
}

/// Works until it is told to stop.
///
/// # Errors
/// Whatever ended it.
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
