//! The command line, as data. Everything that can be wrong with an argument by itself is found
//! here, before anything is connected to.

use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use naq_core::Codec;

use crate::commands::{
    audit, batch, bench, breaker, check, completions, dashboard, dev, dlq, enqueue, job, limit,
    queue, retry, schedule, top, worker, workers, workflow,
};
use crate::connection::ConnectionArgs;
use crate::logging::LogArgs;
use crate::output::{Color, Format};
use crate::telemetry::TelemetryArgs;

/// NAQ: background jobs on NATS JetStream, with retries that can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "naq",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  naq dev                                    a broker and a worker to play with
  naq enqueue demo.flaky --max-retries 4     a job, with its retry policy
  naq job watch ID                           its attempts, as they happen
  naq retry preview exponential:2s           what a policy will do

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 broker unreachable, 5 not authorised."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct GlobalArgs {
    /// How to write results
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "NAQ_OUTPUT",
        value_name = "FORMAT"
    )]
    pub(crate) output: Format,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_short_help = true
    )]
    pub(crate) color: Color,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Work on jobs until told to stop
    Worker(worker::WorkerArgs),
    /// Enqueue a job
    Enqueue(Box<enqueue::EnqueueArgs>),
    /// Look at a job, or act on it
    #[command(subcommand)]
    Job(job::JobCommand),
    /// The dead letter queue: jobs that failed for good
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Queues: their numbers, pause, limit, purge
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Circuit breakers: which are open, open or close one by hand
    #[command(subcommand)]
    Breaker(breaker::BreakerCommand),
    /// Limits that jobs share by a key: who holds their slots, who waits
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    /// Recurring jobs: define, look at, pause, run now
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Workflows: jobs that come after each other, drawn, listed, cancelled
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// The workers alive now; drain one
    #[command(visible_alias = "list-workers")]
    Workers(workers::WorkersArgs),
    /// Who changed what, and why
    Audit(audit::AuditArgs),
    /// Bulk actions: how far they have come; cancel, undo, go on
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    /// Queues, tasks, retries, workers and errors, live
    Top(top::TopArgs),
    /// What a retry policy does; no broker is asked
    #[command(subcommand)]
    Retry(retry::RetryCommand),
    /// Check the broker: connection, rights, version, settings
    Doctor,
    /// Judge a queue, the workers or the dead letters; for monitoring systems
    Check(check::CheckArgs),
    /// The web page: what fails, why, whether retries help; and acts on it
    Dashboard(dashboard::DashboardArgs),
    /// A broker, a worker with demo tasks and the dashboard, for development
    Dev(dev::DevArgs),
    /// Measure NAQ against plain NATS
    Bench(bench::BenchArgs),
    /// Shell completions, to stdout
    Completions(completions::CompletionsArgs),
    /// The manual page, to stdout
    Man,
    /// Removes every job of the queues
    #[command(hide = true)]
    Purge(queue::PurgeArgs),
}

/// `NAQ_JOB_SERIALIZER`: how a producer writes jobs.
pub(crate) fn parse_codec(text: &str) -> Result<Codec, String> {
    text.parse().map_err(|err: naq_core::wire::CodecError| err.to_string())
}

/// Commands that ask no broker and log nothing.
const OFFLINE: [&str; 3] = ["retry", "completions", "man"];

/// The definition that is parsed, and that completions and the manual are made from.
pub(crate) fn definition() -> clap::Command {
    fn quiet(command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| {
                // Set to nothing, as compose files do, is not set.
                let empty = arg.get_env().is_some_and(|name| {
                    std::env::var_os(name).is_some_and(|value| value.is_empty())
                });
                let arg = if empty { arg.env(Resettable::Reset) } else { arg };
                // The value of a variable may be a secret: a URL with a password in it.
                arg.hide_env_values(true)
            })
            .mut_subcommands(quiet)
    }
    let command = quiet(Cli::command()).mut_subcommand("schedule", schedule::adapt);
    let unused: Vec<_> = command
        .get_arguments()
        .filter(|arg| matches!(arg.get_help_heading(), Some("Connection" | "Logging")))
        .map(|arg| arg.clone().hide(true))
        .collect();
    OFFLINE.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |offline| offline.args(unused.clone()))
    })
}

/// Whether this command line, good or not, is of a check: its mistakes have an exit code of their own.
pub(crate) fn is_check(args: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let matches = definition().ignore_errors(true).try_get_matches_from(args);
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("check"))
}

/// Reads the command line.
///
/// # Errors
/// What clap has to say, which may also be a help text.
pub(crate) fn parse(
    args: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Cli, clap::Error> {
    let matches = definition().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let source = matches.value_source("nats_url");
    cli.global.connection.is_given = source != Some(ValueSource::DefaultValue);
    Ok(cli)
}
