//! `naq worker`: runs jobs until it is stopped.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::Client;
use naq_core::QueueName;
use naq_worker::{LargeResults, Registry, StopSignal, StopSignals, Worker, WorkerBuilder};

#[cfg(feature = "handlers")]
use super::handlers::HandlerArgs;
use crate::connection::{ClientConfig, connect};
use crate::exit::{CliError, ExitCode};
#[cfg(feature = "metrics")]
use crate::metrics::MetricsArgs;
use crate::output::Output;
use crate::runtime::runtime;
use crate::text::{duration, parse_duration, parse_duration_or_seconds};

/// How many jobs run at once if nothing says so.
const CONCURRENCY: u32 = 10;

const NO_TASKS: &str = "\
this worker has no tasks to run. Give it handlers in any language, in naq.toml or here:
  naq worker default --exec email.send='python3 send_email.py'
  naq worker default --http http://127.0.0.1:8000/naq
or build your own binary with tasks in Rust:
  fn main() -> std::process::ExitCode { naq_cli::main(Registry::new().task(send_email)) }
To try a worker with demo tasks now: naq dev";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  my-app worker
  my-app worker mail billing --concurrency 50
  my-app worker critical=6 default=3 low=1     under load, 6 of 10 slots run critical
  my-app worker critical default low --strict  low runs only while the others are empty
  my-app worker default --log-level DEBUG
  naq worker default --exec email.send='python3 send_email.py'
  naq worker default --http http://127.0.0.1:8000/naq

On SIGINT or SIGTERM it fetches no more jobs, finishes the running ones and gives back the others;
exit code 0. On a second signal it ends at once; exit code 130 or 143. The jobs that it was running
are delivered again when their leases end.")]
pub(crate) struct WorkerArgs {
    /// The queues to take jobs from, in turn; with weights, such as critical=6 default=3 low=1, in
    /// proportion to them
    #[arg(env = "NAQ_DEFAULT_QUEUE", value_name = "QUEUE[=WEIGHT]", value_delimiter = ',', value_parser = parse_queue, default_value = "default")]
    queues: Vec<QueueWeightArg>,
    /// Take jobs from a queue only while the queues before it are empty
    #[arg(long)]
    strict: bool,
    /// Run only NAQ's own jobs, which run schedules and release blocked jobs. Without tasks, and with no
    /// code of users, this process may have rights that other workers should not have
    #[arg(long, conflicts_with = "strict")]
    only_chores: bool,
    /// How many jobs to run at once [default: 10, or as many as the handlers of --http say]
    #[arg(short, long, env = "NAQ_CONCURRENCY", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    concurrency: Option<u32>,
    /// The beginning of the worker's id [default: the machine's name]
    #[arg(short, long, env = "NAQ_WORKER_NAME")]
    name: Option<String>,
    /// How long a job stays with a worker that does not renew its lease; for queues that this worker
    /// creates
    #[arg(long, env = "NAQ_DEFAULT_ACK_WAIT", value_name = "DURATION", value_parser = parse_lease, default_value = "10s")]
    lease: Duration,
    /// How long running jobs may take to finish after SIGINT or SIGTERM
    #[arg(long, env = "NAQ_SHUTDOWN_TIMEOUT", value_name = "DURATION", value_parser = parse_duration, default_value = "30s")]
    shutdown_timeout: Duration,
    /// How often the worker sends a heartbeat
    #[arg(long, env = "NAQ_WORKER_HEARTBEAT_INTERVAL", value_name = "DURATION", value_parser = parse_duration_or_seconds, default_value = "5s")]
    heartbeat_interval: Duration,
    /// How long the worker stays in the list after its last heartbeat
    #[arg(long, env = "NAQ_WORKER_TTL", value_name = "DURATION", value_parser = parse_duration_or_seconds, default_value = "15s")]
    worker_ttl: Duration,
    /// What to do with a result that is larger than one message (1 MB): refuse it, and the job dies; or
    /// store it beside the record, up to 64 MiB
    #[arg(long, env = "NAQ_LARGE_RESULTS", value_name = "WHAT", default_value = "refuse")]
    large_results: LargeResultsArg,
    /// Take only jobs that are signed by one of --trusted-keys from these queues; * for all. Other jobs
    /// become dead letters, and never run
    #[arg(long, env = "NAQ_REQUIRE_SIGNED", value_name = "QUEUE", value_delimiter = ',', value_parser = parse_signed)]
    require_signed: Vec<SignedQueueArg>,
    /// Wait if there is no broker yet, instead of ending with exit code 4
    #[arg(long, env = "NAQ_WAIT_FOR_BROKER")]
    wait_for_broker: bool,
    #[cfg(feature = "metrics")]
    #[command(flatten)]
    metrics: MetricsArgs,
    // Last: its heading is for all options after it.
    #[cfg(feature = "handlers")]
    #[command(flatten)]
    handlers: HandlerArgs,
}

/// What to do with a large result.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LargeResultsArg {
    Refuse,
    Store,
}

impl From<LargeResultsArg> for LargeResults {
    fn from(large: LargeResultsArg) -> Self {
        match large {
            LargeResultsArg::Refuse => Self::Refuse,
            LargeResultsArg::Store => Self::Store,
        }
    }
}

/// A queue, and its weight if one is given.
#[derive(Debug, Clone)]
pub(crate) struct QueueWeightArg {
    queue: QueueName,
    weight: Option<u32>,
}

fn parse_queue(text: &str) -> Result<QueueWeightArg, String> {
    let (queue, weight) = text.split_once('=').map_or((text, None), |(q, w)| (q, Some(w)));
    let max = WorkerBuilder::MAX_WEIGHT;
    let weight = weight.map(|weight| match weight.parse() {
        Ok(weight) if (1..=max).contains(&weight) => Ok(weight),
        _ => Err(format!("weight {weight:?}: use 1 to {max}, such as mail=3")),
    });
    let queue = QueueName::new(queue).map_err(|err| err.to_string())?;
    Ok(QueueWeightArg { queue, weight: weight.transpose()? })
}

/// Refuses weights together with `--strict`, under which only the order of the queues counts.
fn check_shares(args: &WorkerArgs) -> Result<()> {
    if args.strict && args.queues.iter().any(|share| share.weight.is_some()) {
        let what = "--strict with weights: with --strict the order of the queues is their priority; \
                    leave out the weights, or --strict";
        return Err(CliError::usage(what).into());
    }
    Ok(())
}

fn parse_lease(text: &str) -> Result<Duration, String> {
    let lease = parse_duration_or_seconds(text)?;
    if lease < WorkerBuilder::MIN_LEASE {
        return Err(format!("use at least {}", duration(WorkerBuilder::MIN_LEASE)));
    }
    Ok(lease)
}

/// Refuses a time to live that ends before the next heartbeat.
fn check_heartbeat(args: &WorkerArgs) -> Result<()> {
    if args.heartbeat_interval.is_zero() || args.worker_ttl <= args.heartbeat_interval {
        let (interval, ttl) = (duration(args.heartbeat_interval), duration(args.worker_ttl));
        let what = format!(
            "--heartbeat-interval {interval} with --worker-ttl {ttl}: the worker would disappear from \
             the list between two heartbeats; use an interval above 0s and a longer time to live"
        );
        return Err(CliError::new(ExitCode::Usage, what).into());
    }
    Ok(())
}

/// A queue that takes only signed jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SignedQueueArg {
    All,
    Queue(QueueName),
}

fn parse_signed(text: &str) -> Result<SignedQueueArg, String> {
    match text {
        "*" => Ok(SignedQueueArg::All),
        name => QueueName::new(name).map(SignedQueueArg::Queue).map_err(|err| err.to_string()),
    }
}

impl WorkerArgs {
    /// The queues of this worker that take only signed jobs.
    fn signed_queues(&self) -> Vec<QueueName> {
        let all = self.require_signed.contains(&SignedQueueArg::All);
        let names = self.queues.iter().map(|QueueWeightArg { queue, .. }| queue);
        let is_signed = |queue: &&QueueName| {
            all || self.require_signed.contains(&SignedQueueArg::Queue((*queue).clone()))
        };
        names.filter(is_signed).cloned().collect()
    }
}

/// Refuses `--require-signed` where it would not do what the user means.
fn check_signed(args: &WorkerArgs, config: &ClientConfig) -> Result<()> {
    for asked in &args.require_signed {
        if let SignedQueueArg::Queue(queue) = asked
            && !args.queues.iter().any(|arg| arg.queue == *queue)
        {
            let what = format!("--require-signed {queue}: this worker takes no jobs from {queue}");
            return Err(CliError::usage(what).into());
        }
    }
    if !args.require_signed.is_empty() && !config.keys.trusts_any() {
        let what = "--require-signed without --trusted-keys: every job would become a dead letter";
        return Err(CliError::usage(what).next("name a file with the public keys").into());
    }
    Ok(())
}

/// Connects, and runs a worker until a signal stops it.
pub(crate) fn run<S: Clone + Send + Sync + 'static>(
    args: &WorkerArgs,
    registry: Registry<S>,
    mut config: ClientConfig,
    out: Output,
) -> Result<ExitCode> {
    check_heartbeat(args)?;
    check_shares(args)?;
    #[cfg(feature = "handlers")]
    let handlers = args.handlers.load(!registry.is_empty())?;
    #[cfg(feature = "handlers")]
    let has_handlers = !handlers.is_empty();
    #[cfg(not(feature = "handlers"))]
    let has_handlers = false;
    if registry.is_empty() && !has_handlers && !args.only_chores {
        out.note(NO_TASKS)?;
        return Ok(ExitCode::Usage);
    }
    check_signed(args, &config)?;
    config.nats.wait_for_broker = args.wait_for_broker;
    "naq-worker".clone_into(&mut config.nats.name);
    let builder = |client: Client, registry: Registry<S>, concurrency: usize| {
        let mut builder = Worker::builder(client, registry);
        for QueueWeightArg { queue, weight } in &args.queues {
            builder = match weight {
                Some(weight) => builder.queue_weighted(queue, *weight),
                None => builder.queue(queue),
            };
        }
        if args.only_chores {
            builder = builder.only_chores();
        }
        if args.strict {
            builder = builder.strict_priority();
        }
        let signed = args.signed_queues();
        let builder = signed.iter().fold(builder, |builder, queue| builder.require_signed(queue));
        let builder = builder
            .large_results(args.large_results.into())
            .concurrency(concurrency)
            .lease(args.lease)
            .heartbeat(args.heartbeat_interval, args.worker_ttl)
            .shutdown_timeout(args.shutdown_timeout);
        match &args.name {
            Some(name) => builder.name(name),
            None => builder,
        }
    };
    runtime()?.block_on(async {
        // Signals first: the connection may take long.
        let mut signals = StopSignals::listen()?;
        // The server starts before the connection, which may take long, and before the first metric.
        #[cfg(feature = "metrics")]
        let probe = args.metrics.start().await?;
        let prepared = async {
            #[cfg(feature = "handlers")]
            let (registry, listed) = {
                let handlers = handlers.ask_for_tasks().await?;
                let listed = handlers.concurrency();
                (handlers.register(registry)?, listed)
            };
            #[cfg(not(feature = "handlers"))]
            let listed = None;
            anyhow::Ok((connect(config).await?, registry, listed))
        };
        let (client, registry, listed) = tokio::select! {
            prepared = prepared => prepared?,
            _ = signals.next() => return Ok(ExitCode::Ok),
        };
        let concurrency = args.concurrency.map(|n| n as usize).or(listed);
        let concurrency = concurrency.unwrap_or(CONCURRENCY as usize);
        let worker = builder(client, registry, concurrency).build();
        #[cfg(feature = "metrics")]
        probe.set(worker.health());
        work(worker, signals).await
    })
}

/// Runs `worker` until a signal stops it.
pub(crate) async fn work(worker: Worker, signals: StopSignals) -> Result<ExitCode> {
    Ok(match worker.run_until(signals).await? {
        naq_worker::Exit::Forced(StopSignal::Interrupt) => ExitCode::Interrupted,
        naq_worker::Exit::Forced(StopSignal::Terminate) => ExitCode::Terminated,
        _ => ExitCode::Ok,
    })
}
