//! Runs a command: parses and checks its arguments, connects, and returns the exit code.

use std::process;

use anyhow::Result;
use naq_worker::Registry;

use crate::args::{self, Cli, Command};
#[cfg(feature = "bench")]
use crate::commands::bench;
#[cfg(feature = "dashboard")]
use crate::commands::dashboard;
#[cfg(feature = "gateway")]
use crate::commands::gateway;
use crate::commands::{check, completions, dev, doctor, enqueue, migrate, new, retry, worker};
use crate::connection::ClientConfig;
use crate::context;
use crate::exit::{self, ExitCode};
use crate::logging::Level;
use crate::operator_name::set_operator_name;
use crate::output::{Format, Output};
use crate::process_one;
use crate::runtime::{runtime, with_client};

/// Runs the whole `naq` command with the tasks of `registry`. Reads the command line and the `NAQ_*`
/// variables, does what they say, and returns the exit code (0 done, 1 failed, 2 usage, 3 not
/// found, 4 broker unreachable, 5 not authorised).
///
/// It starts its own async runtime, so call it from a plain `fn main`.
///
/// # Panics
/// It is called inside an async runtime.
pub fn main<S: Clone + Send + Sync + 'static>(registry: Registry<S>) -> process::ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = Output::new(Format::Table).clap(&error);
            let unknown = exit == ExitCode::Usage && args::is_check(std::env::args_os());
            return if unknown { ExitCode::UNKNOWN.into() } else { exit.into() };
        }
    };
    cli.global.color.apply();
    let out = Output::new(cli.global.output);
    if let Some(by) = cli.global.by.as_deref().filter(|by| !by.trim().is_empty()) {
        set_operator_name(by);
    }
    match run(cli, registry, out) {
        Ok(exit) => exit.into(),
        Err(error) => {
            let (exit, next) = exit::explain(&error);
            out.error(&error, next.as_deref());
            exit.into()
        }
    }
}

fn run<S: Clone + Send + Sync + 'static>(
    cli: Cli,
    registry: Registry<S>,
    out: Output,
) -> Result<ExitCode> {
    let mut global = cli.global;
    if cli.command.uses_context() {
        context::apply(global.context.as_deref(), &mut global.connection)?;
    }
    if !cli.command.handles_signals() {
        process_one::end_on_signals();
    }
    let default_level = if cli.command.is_long_lived() { Level::Info } else { Level::Warn };
    // Dropped at the end of this function, when it sends the last spans.
    let traces = global.telemetry.start()?;
    global.log.init(default_level, traces.as_ref());
    if let Some(context) = context::in_use().filter(|_| cli.command.is_long_lived()) {
        tracing::info!(context = context.name, "uses the broker of this context");
    }
    let config =
        || Ok(ClientConfig { nats: global.connection.config()?, keys: global.keys.load()? });
    match &cli.command {
        Command::Retry(command) => retry::run(command, out)?,
        Command::Completions(args) => completions::completions(args, out)?,
        Command::Man => completions::man(out)?,
        Command::Worker(args) => return worker::run(args, registry, config()?, out),
        #[cfg(feature = "dashboard")]
        Command::Dashboard(args) => match &args.command {
            Some(command) => command.run(out)?,
            None => return dashboard::run(args, config()?, out),
        },
        #[cfg(feature = "gateway")]
        Command::Gateway(args) => return gateway::run(args, config, out),
        #[cfg(feature = "outbox")]
        Command::Outbox(command) => return command.run(config, out),
        #[cfg(feature = "handlers")]
        Command::Conformance(command) => return command.run(out),
        Command::Dev(args) => return dev::run(args, registry, out),
        Command::Context(command) => command.run(&global.connection, out)?,
        Command::Key(command) => command.run(out)?,
        Command::New(args) => new::run(args, out)?,
        Command::Doctor(args) => {
            let open_files = global.connection.open_files();
            return runtime()?.block_on(doctor::run(args, config()?, open_files, out));
        }
        Command::Migrate(args) => {
            return runtime()?.block_on(migrate::run(args, config()?, out));
        }
        Command::Check(args) => return check::run(args, config(), out),
        #[cfg(feature = "bench")]
        Command::Bench(args) => {
            // Only an address that the user gave: the default is the benchmark's own broker.
            let config = global.connection.is_given.then(|| global.connection.config());
            let config = config.transpose()?;
            runtime()?.block_on(bench::run(args, config, out))?;
        }
        Command::Enqueue(args) => {
            let config = config()?;
            let input = args.clone().prepare()?;
            return with_client(config, async |client| enqueue::run(input, client, out).await);
        }
        Command::WithClient(command) => {
            // The settings are checked even if the command needs no broker, so that the user finds
            // an invalid variable early.
            let config = config()?;
            if !command.run_offline(out)? {
                command.check(out)?;
                return with_client(config, async |client| command.run(client, out).await);
            }
        }
    }
    Ok(ExitCode::Ok)
}
