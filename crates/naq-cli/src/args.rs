//! The command line as data. Parsing refuses invalid arguments before the command connects to the
//! broker.

use anyhow::Result;
use clap::builder::Resettable;
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use naq_client::Client;

#[cfg(feature = "handlers")]
use crate::commands::conformance;
#[cfg(feature = "dashboard")]
use crate::commands::dashboard;
#[cfg(feature = "gateway")]
use crate::commands::gateway;
#[cfg(feature = "outbox")]
use crate::commands::outbox;
use crate::commands::{
    audit, batch, breaker, check, completions, context, dev, dlq, doctor, enqueue, find, job, key,
    limit, migrate, new, queue, retry, schedule, top, worker, workers, workflow,
};
use crate::connection::ConnectionArgs;
use crate::exit::ExitCode;
use crate::keys::KeyArgs;
use crate::logging::LogArgs;
use crate::output::{Color, Format, Output};
use crate::telemetry::TelemetryArgs;

/// NAQ: background jobs on NATS JetStream, with retries that can be trusted.
#[derive(Debug, Parser)]
#[command(
    name = "naq",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  naq dev                                    start a broker and a demo worker
  naq enqueue demo.flaky --max-retries 4     enqueue a job with a retry policy
  naq job watch ID                           follow its attempts
  naq retry preview exponential:2s           list the retries of a policy

Exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 broker unreachable, 5 not authorised."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The options of every command.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct GlobalArgs {
    /// Format of the results
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
    /// When to use colours
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "WHEN",
        hide_short_help = true
    )]
    pub(crate) color: Color,
    /// Who acts, for the audit log [default: USER@HOST]
    #[arg(long, global = true, env = "NAQ_BY", value_name = "WHO", hide_short_help = true)]
    pub(crate) by: Option<String>,
    /// Use the broker of this context, which `naq context add` stored
    #[arg(
        short = 'C',
        long,
        global = true,
        env = "NAQ_CONTEXT",
        value_name = "NAME",
        hide_short_help = true
    )]
    pub(crate) context: Option<String>,
    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
    #[command(flatten)]
    pub(crate) keys: KeyArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run jobs until stopped
    Worker(worker::WorkerArgs),
    /// Enqueue a job
    Enqueue(Box<enqueue::EnqueueArgs>),
    #[command(flatten)]
    WithClient(ClientCommand),
    /// Show what a retry policy does; needs no broker
    #[command(subcommand)]
    Retry(retry::RetryCommand),
    /// Make keys that sign jobs, and show their public parts; needs no broker
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// Brokers with names: add, list, use, remove; needs no broker
    #[command(subcommand)]
    Context(context::ContextCommand),
    /// Check the broker: connection, permissions, version, settings
    Doctor(doctor::DoctorArgs),
    /// Bring the streams of an earlier version of NAQ to the settings of this one
    Migrate(migrate::MigrateArgs),
    /// Check a queue, the workers or the dead letters against limits; for monitoring systems
    Check(check::CheckArgs),
    /// Serve the dashboard: which jobs fail and why, whether retries help, actions on jobs
    #[cfg(feature = "dashboard")]
    Dashboard(dashboard::DashboardArgs),
    /// Serve HTTP for programs in any language: enqueue jobs, read them, act on them
    #[cfg(feature = "gateway")]
    Gateway(gateway::GatewayArgs),
    /// Publish jobs that were enqueued in a transaction of PostgreSQL or SQLite
    #[cfg(feature = "outbox")]
    #[command(subcommand)]
    Outbox(outbox::OutboxCommand),
    /// Start a broker, a worker with demo tasks and the dashboard, for development
    Dev(dev::DevArgs),
    /// Test a handler in another language against the handler protocol
    #[cfg(feature = "handlers")]
    #[command(subcommand)]
    Conformance(conformance::ConformanceCommand),
    /// Measure NAQ against plain NATS
    #[cfg(feature = "bench")]
    Bench(naq_bench::BenchArgs),
    /// Write a new project: a job, its handler, tests, a compose file; needs no broker
    New(new::NewArgs),
    /// Print shell completions to stdout
    Completions(completions::CompletionsArgs),
    /// Print the manual page to stdout
    Man,
}

/// The commands that connect to the broker and then ask it through a client.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    /// Show a job, or act on it
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Find jobs by an id or a part of it, a tag, a task or an error
    Find(find::FindArgs),
    /// The dead letter queue: jobs that failed permanently
    #[command(subcommand)]
    Dlq(dlq::DlqCommand),
    /// Queues: counts, pause, limit, purge
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Circuit breakers: list them, open or close one by hand
    #[command(subcommand)]
    Breaker(breaker::BreakerCommand),
    /// Limits that jobs share by a key: which jobs hold limit slots, which wait
    #[command(subcommand)]
    Limit(limit::LimitCommand),
    /// Recurring jobs: define, show, pause, run now
    #[command(subcommand)]
    Schedule(schedule::ScheduleCommand),
    /// Workflows, graphs of jobs: draw, list, cancel
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// List the workers that are alive; drain one
    #[command(visible_alias = "list-workers")]
    Workers(workers::WorkersArgs),
    /// List who changed what, and why
    Audit(audit::AuditArgs),
    /// Bulk actions: show their progress; cancel, undo, resume
    #[command(subcommand)]
    Batch(batch::BatchCommand),
    /// Show queues, tasks, retries, workers and errors, live
    Top(top::TopArgs),
    /// Remove every job of the queues
    #[command(hide = true)]
    Purge(queue::QueuePurgeArgs),
}

impl Command {
    /// Whether the command runs until it is stopped, and logs what it does meanwhile.
    pub(crate) fn is_long_lived(&self) -> bool {
        match self {
            Self::Worker(_) | Self::Dev(_) => true,
            #[cfg(feature = "dashboard")]
            Self::Dashboard(args) => args.command.is_none(),
            #[cfg(feature = "gateway")]
            Self::Gateway(args) => args.is_server(),
            #[cfg(feature = "outbox")]
            Self::Outbox(command) => command.is_long_lived(),
            _ => false,
        }
    }

    /// Whether the command connects to the broker that the user names.
    pub(crate) fn uses_context(&self) -> bool {
        match self {
            Self::Retry(_) | Self::Completions(_) | Self::Man | Self::Dev(_) => false,
            Self::Key(_) | Self::New(_) | Self::Context(_) => false,
            #[cfg(feature = "bench")]
            Self::Bench(_) => false,
            #[cfg(feature = "handlers")]
            Self::Conformance(_) => false,
            #[cfg(feature = "outbox")]
            Self::Outbox(command) => command.needs_broker(),
            _ => true,
        }
    }

    /// Whether the command says itself what SIGINT and SIGTERM do, and listens to them before it waits
    /// for anything.
    pub(crate) fn handles_signals(&self) -> bool {
        let is_top = matches!(self, Self::WithClient(ClientCommand::Top(_)));
        self.is_long_lived() || is_top
    }
}

impl ClientCommand {
    /// Runs the command if it needs no broker. Returns whether it did.
    pub(crate) fn run_offline(&self, out: Output) -> Result<bool> {
        match self {
            Self::Schedule(command) => command.run_offline(out),
            _ => Ok(false),
        }
    }

    /// Checks the arguments as far as possible without a connection. Asks the user to confirm if the
    /// command needs it.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::Job(command) => command.check(),
            Self::Dlq(command) => command.check(out),
            Self::Queue(command) => command.check(out),
            Self::Schedule(command) => command.check(out),
            Self::Purge(args) => args.check(out),
            _ => Ok(()),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        match self {
            Self::Job(command) => return command.run(client, out).await,
            Self::Find(args) => return args.run(client, out).await,
            Self::Dlq(command) => return command.run(client, out).await,
            Self::Batch(command) => return command.run(client, out).await,
            Self::Queue(command) => command.run(client, out).await?,
            Self::Breaker(command) => command.run(client, out).await?,
            Self::Limit(command) => command.run(client, out).await?,
            Self::Schedule(command) => command.run(client, out).await?,
            Self::Workflow(command) => command.run(client, out).await?,
            Self::Workers(args) => args.run(client, out).await?,
            Self::Audit(args) => args.run(client, out).await?,
            Self::Top(args) => top::run(args, client, out).await?,
            Self::Purge(args) => args.run(client, out).await?,
        }
        Ok(ExitCode::Ok)
    }
}

/// The commands that need no broker and log nothing.
const OFFLINE: [&str; 4] = ["retry", "key", "completions", "man"];

/// The definition of the command line. Parser, completions and manual page all use it.
pub(crate) fn definition() -> clap::Command {
    fn quiet(command: clap::Command) -> clap::Command {
        command
            .mut_args(|arg| {
                // An empty variable, as compose files set it, counts as not set.
                let empty = arg.get_env().is_some_and(|name| {
                    std::env::var_os(name).is_some_and(|value| value.is_empty())
                });
                let arg = if empty { arg.env(Resettable::Reset) } else { arg };
                // A variable may contain a secret, such as a URL with a password.
                arg.hide_env_values(true)
            })
            .mut_subcommands(quiet)
    }
    let command = quiet(Cli::command()).mut_subcommand("schedule", schedule::adapt);
    let unused: Vec<_> = command
        .get_arguments()
        .filter(|arg| matches!(arg.get_help_heading(), Some("Connection" | "Keys" | "Logging")))
        .map(|arg| arg.clone().hide(true))
        .collect();
    #[cfg(feature = "dashboard")]
    let command = command.mut_subcommand("dashboard", |dashboard| {
        dashboard.mut_subcommand("user", |offline| offline.args(unused.clone()))
    });
    #[cfg(feature = "outbox")]
    let command = command.mut_subcommand("outbox", |outbox| {
        ["list", "retry", "discard", "create-table"].iter().fold(outbox, |outbox, name| {
            outbox.mut_subcommand(name, |offline| offline.args(unused.clone()))
        })
    });
    OFFLINE.iter().fold(command, |command, name| {
        command.mut_subcommand(name, |offline| offline.args(unused.clone()))
    })
}

/// Whether this command line, valid or not, is one of `naq check`, whose usage errors have an exit
/// code of their own.
pub(crate) fn is_check(args: impl IntoIterator<Item = std::ffi::OsString>) -> bool {
    let matches = definition().ignore_errors(true).try_get_matches_from(args);
    matches.is_ok_and(|matches| matches.subcommand_name() == Some("check"))
}

/// Reads the command line.
///
/// # Errors
/// A usage error, or the help text that the user asked for.
pub(crate) fn parse(
    args: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Cli, clap::Error> {
    let matches = definition().try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    let source = matches.value_source("nats_url");
    cli.global.connection.is_given = source != Some(ValueSource::DefaultValue);
    let of_context = matches.value_source("context");
    if source == Some(ValueSource::CommandLine) {
        if of_context == Some(ValueSource::CommandLine) {
            let both = "--context and --nats-url both name a broker: leave out one of them";
            return Err(definition().error(clap::error::ErrorKind::ArgumentConflict, both));
        }
        // The command line counts, and not NAQ_CONTEXT.
        cli.global.context = None;
    }
    Ok(cli)
}
