//! The roles of the processes in a run: producer, worker, operators, caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use naq_client::Client;
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport};
use naq_core::transport::{JobKey, Transport};
use naq_core::{JobId, QueueName, WorkerId};
use naq_handlers::{HandlerSources, Handlers};
use naq_nats::{NatsConfig, NatsTransport};
use naq_worker::{Exit, LargeResults, StopSignals, Worker};

use crate::caller::{self, CallerArgs};
use crate::job;
use crate::ledger::{Ledger, LedgerEntry, ledger_path, now};
use crate::plan::{LEASE_MS, RunPlan};
use crate::recurring::ScheduleArgs;

/// The environment variable that makes a process abort at a [`DiePoint`], such as `after-retry`.
pub const DIE_VARIABLE: &str = "NAQ_FAULT_DIE";

/// How long a worker may take to drain, in milliseconds. This is longer than any script.
pub const SHUTDOWN_MS: u64 = 10_000;

/// A role in a run. Each runs in its own process.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Enqueues the jobs of a plan.
    #[command(hide = true)]
    Producer(ProducerArgs),
    /// Runs the jobs of the queues, as their scripts say.
    #[command(hide = true)]
    Worker(WorkerRoleArgs),
    /// Acts on one job as an operator.
    #[command(hide = true)]
    Operator(OperatorArgs),
    /// Does the operators' deeds of a plan.
    #[command(hide = true)]
    Operators(OperatorsArgs),
    /// Runs jobs that call a service.
    #[command(hide = true)]
    Caller(CallerArgs),
}

/// The arguments of several roles.
#[derive(Debug, Args)]
pub struct RoleArgs {
    /// The broker's URL.
    #[arg(long)]
    url: String,
    /// The directory with the plan and the ledgers.
    #[arg(long)]
    dir: PathBuf,
}

/// The arguments of a producer.
#[derive(Debug, Args)]
pub struct ProducerArgs {
    #[command(flatten)]
    paths: RoleArgs,
}

/// The arguments of the operators.
#[derive(Debug, Args)]
pub struct OperatorsArgs {
    #[command(flatten)]
    paths: RoleArgs,
}

/// The arguments of a worker.
#[derive(Debug, Args)]
pub struct WorkerRoleArgs {
    #[command(flatten)]
    paths: RoleArgs,
    /// Its name, which is also in the name of its ledger.
    #[arg(long)]
    name: String,
    /// The number of its slots.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// How long running jobs may continue after the first stop signal.
    #[arg(long, default_value_t = SHUTDOWN_MS)]
    shutdown_ms: u64,
    /// A `naq.toml`, whose handlers it has too.
    #[arg(long)]
    handlers: Option<PathBuf>,
    /// A schedule that it registers first.
    #[command(flatten)]
    schedule: Option<ScheduleArgs>,
    /// Its queues.
    #[arg(required = true)]
    queues: Vec<QueueName>,
}

/// The arguments of an operator.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    paths: RoleArgs,
    /// The action.
    action: OperatorAction,
    /// The job's queue.
    queue: QueueName,
    /// The job's id.
    id: JobId,
}

/// The actions of an operator that take several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OperatorAction {
    /// Cancel a job.
    Cancel,
    /// Requeue a dead job.
    Requeue,
    /// Make a waiting job due.
    RetryNow,
}

impl Role {
    /// The directory and the name of a worker.
    pub(crate) fn as_worker(&self) -> Option<(&Path, &str)> {
        match self {
            Self::Worker(args) => Some((&args.paths.dir, &args.name)),
            _ => None,
        }
    }

    /// Runs the role and returns the exit code of the process.
    ///
    /// # Errors
    /// The role failed.
    pub async fn run(self) -> Result<u8> {
        match self {
            Self::Producer(args) => produce(&args.paths).await.map(|()| 0),
            Self::Worker(args) => work(args).await.map(Exit::code),
            Self::Operator(args) => operate(args).await.map(|()| 0),
            Self::Operators(args) => operate_plan(&args.paths).await.map(|()| 0),
            Self::Caller(args) => caller::work(args).await.map(Exit::code),
        }
    }
}

/// Connects to the broker. The transport aborts the process at the point in [`DIE_VARIABLE`].
async fn connect(url: &str) -> Result<Arc<dyn Transport>> {
    let mut config = NatsConfig::new(url).name("naq-faults");
    config.wait_for_broker = true;
    let transport = NatsTransport::connect(config).await?;
    let Ok(point) = std::env::var(DIE_VARIABLE) else { return Ok(Arc::new(transport)) };
    let point: DiePoint = point.parse()?;
    let plan = FaultPlan::new().die_at(point, 1);
    Ok(Arc::new(FaultyTransport::with_die_hook(transport, plan, |_| std::process::abort())))
}

async fn produce(paths: &RoleArgs) -> Result<()> {
    let plan = RunPlan::load(&paths.dir)?;
    let ledger = Ledger::open(&paths.dir.join("producer.jsonl"))?;
    let client = Client::new(connect(&paths.url).await?);
    crate::producer::produce(&plan, &client, &ledger).await
}

async fn operate_plan(paths: &RoleArgs) -> Result<()> {
    let plan = RunPlan::load(&paths.dir)?;
    let ledger = Ledger::open(&paths.dir.join("operators.jsonl"))?;
    crate::operators::operate(&plan, connect(&paths.url).await?, &paths.url, ledger).await
}

async fn work(args: WorkerRoleArgs) -> Result<Exit> {
    // First of all, as `naq worker` does. A deploy may end a worker that has just begun.
    let mut signals = StopSignals::listen()?;
    let ledger = Ledger::open(&ledger_path(&args.paths.dir, &args.name))?;
    let boot = LedgerEntry::Boot { worker: args.name.clone(), pid: std::process::id(), at: now() };
    ledger.write(&[boot])?;
    let transport = tokio::select! {
        connected = connect(&args.paths.url) => connected?,
        _ = signals.next() => return Ok(Exit::Drained),
    };
    let client = Client::new(transport);
    if let Some(schedule) = args.schedule {
        schedule.register(&client, &args.queues[0]).await?;
    }
    let mut registry = job::registry(ledger, &args.name);
    if args.handlers.is_some() {
        let mut sources = HandlerSources::default();
        sources.file = args.handlers;
        registry = Handlers::new(&sources)?.register(registry)?;
    }
    let exit = Worker::builder(client, registry)
        .queues(args.queues)
        .concurrency(args.concurrency)
        .lease(Duration::from_millis(LEASE_MS))
        .id(WorkerId::new(&args.name)?)
        .large_results(LargeResults::Store)
        .shutdown_timeout(Duration::from_millis(args.shutdown_ms))
        .build()
        .run_until(signals)
        .await?;
    Ok(exit)
}

async fn operate(args: OperatorArgs) -> Result<()> {
    let transport = connect(&args.paths.url).await?;
    let client = Client::new(transport.clone());
    let key = JobKey::new(args.queue, args.id);
    match args.action {
        OperatorAction::Cancel => drop(client.cancel(&key, "by an operator").await?),
        OperatorAction::RetryNow => drop(client.retry_now(&key).await?),
        OperatorAction::Requeue => {
            let letters = transport.dead_letters(Some(&key.queue), 0, 1_000).await?.letters;
            let letter = letters.into_iter().find(|letter| letter.key == key);
            let Some(letter) = letter else { bail!("no dead letter of {key}") };
            client.requeue(&letter, None).await?;
        }
    }
    Ok(())
}
