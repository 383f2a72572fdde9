//! What the processes of a run do: produce, work, act as an operator.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use naq_client::Client;
use naq_core::testing::{DiePoint, FaultPlan, FaultyTransport};
use naq_core::transport::{JobKey, Transport};
use naq_core::{JobId, QueueName, WorkerId};
use naq_nats::{NatsConfig, NatsTransport};
use naq_worker::{Exit, LargeResults, Worker};

use crate::caller::{self, CallerArgs};
use crate::job;
use crate::ledger::{Entry, Ledger, now};
use crate::plan::{LEASE_MS, Plan};
use crate::recurring::ScheduleArgs;

/// The variable that makes a process abort at a [`DiePoint`], such as `after-retry`.
pub const DIE_VARIABLE: &str = "NAQ_FAULT_DIE";

/// How long a worker of a run may take to drain: longer than any script.
pub const SHUTDOWN_MS: u64 = 10_000;

/// A part in a run, played by a process of its own.
#[derive(Debug, Subcommand)]
pub enum Role {
    /// Enqueues the jobs of a plan.
    #[command(hide = true)]
    Producer(ProducerArgs),
    /// Works off the queues, as the jobs' scripts say.
    #[command(hide = true)]
    Worker(WorkerArgs),
    /// Acts on one job.
    #[command(hide = true)]
    Operator(OperatorArgs),
    /// Calls a service, job by job.
    #[command(hide = true)]
    Caller(CallerArgs),
}

/// What every role needs.
#[derive(Debug, Args)]
pub struct Place {
    /// Where the broker is.
    #[arg(long)]
    url: String,
    /// Where the plan is and ledgers go.
    #[arg(long)]
    dir: PathBuf,
}

/// A producer.
#[derive(Debug, Args)]
pub struct ProducerArgs {
    #[command(flatten)]
    place: Place,
}

/// A worker.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    place: Place,
    /// Its name, also of its ledger.
    #[arg(long)]
    name: String,
    /// Its slots.
    #[arg(long, default_value_t = 16)]
    concurrency: usize,
    /// How long what runs may go on after a first signal.
    #[arg(long, default_value_t = SHUTDOWN_MS)]
    shutdown_ms: u64,
    /// A schedule that it registers first, as all its fellows do.
    #[command(flatten)]
    schedule: Option<ScheduleArgs>,
    /// Its queues.
    #[arg(required = true)]
    queues: Vec<QueueName>,
}

/// An operator.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(flatten)]
    place: Place,
    /// What to do.
    verb: Verb,
    /// In which queue.
    queue: QueueName,
    /// With which job.
    id: JobId,
}

/// What an operator can do in several steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Verb {
    /// Cancel a job.
    Cancel,
    /// Give a dead job another life.
    Requeue,
    /// Make a waiting job due.
    RetryNow,
}

impl Role {
    /// Plays the part; the exit code of the process.
    ///
    /// # Errors
    /// Whatever ended it.
    pub async fn play(self) -> Result<u8> {
        match self {
            Self::Producer(args) => produce(&args.place).await.map(|()| 0),
            Self::Worker(args) => work(args).await.map(Exit::code),
            Self::Operator(args) => operate(args).await.map(|()| 0),
            Self::Caller(args) => caller::work(args).await.map(Exit::code),
        }
    }
}

/// Connects, and dies where [`DIE_VARIABLE`] says.
async fn connect(url: &str) -> Result<Arc<dyn Transport>> {
    let mut config = NatsConfig::new(url).name("naq-faults");
    config.wait_for_broker = true;
    let transport = NatsTransport::connect(config).await?;
    let Ok(point) = std::env::var(DIE_VARIABLE) else { return Ok(Arc::new(transport)) };
    let point: DiePoint = point.parse()?;
    let plan = FaultPlan::new().die_at(point, 1);
    Ok(Arc::new(FaultyTransport::with_die_hook(transport, plan, |_| std::process::abort())))
}

async fn produce(place: &Place) -> Result<()> {
    let plan = Plan::load(&place.dir)?;
    let ledger = Ledger::open(&place.dir.join("producer.jsonl"))?;
    let client = Client::new(connect(&place.url).await?);
    crate::producer::produce(&plan, &client, &ledger).await
}

async fn work(args: WorkerArgs) -> Result<Exit> {
    let ledger = Ledger::open(&args.place.dir.join(format!("worker-{}.jsonl", args.name)))?;
    let (worker, pid) = (args.name.clone(), std::process::id());
    ledger.write(&[Entry::Boot { worker, pid, at: now() }])?;
    let client = Client::new(connect(&args.place.url).await?);
    if let Some(schedule) = args.schedule {
        schedule.register(&client, &args.queues[0]).await?;
    }
    let exit = Worker::builder(client, job::registry(ledger, &args.name))
        .queues(args.queues)
        .concurrency(args.concurrency)
        .lease(Duration::from_millis(LEASE_MS))
        .id(WorkerId::new(&args.name)?)
        .large_results(LargeResults::Store)
        .shutdown_timeout(Duration::from_millis(args.shutdown_ms))
        .build()
        .run_until_signal()
        .await?;
    Ok(exit)
}

async fn operate(args: OperatorArgs) -> Result<()> {
    let transport = connect(&args.place.url).await?;
    let client = Client::new(transport.clone());
    let key = JobKey { queue: args.queue, id: args.id };
    match args.verb {
        Verb::Cancel => drop(client.cancel(&key, "an operator's wish").await?),
        Verb::RetryNow => drop(client.retry_now(&key).await?),
        Verb::Requeue => {
            let letters = transport.dead_letters(Some(&key.queue), 0, 1_000).await?.letters;
            let letter = letters.into_iter().find(|letter| letter.key == key);
            let Some(letter) = letter else { bail!("no dead letter of {key}") };
            client.requeue(&letter, None).await?;
        }
    }
    Ok(())
}
