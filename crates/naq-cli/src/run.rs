//! From arguments to an exit code: parse, check, connect, run.

use std::process::ExitCode;

use anyhow::{Context, Result};
use naq_worker::Registry;
use tokio::runtime::Runtime;

use crate::args::{self, Cli, Command};
use crate::commands::{
    bench, check, completions, dashboard, dev, doctor, enqueue, retry, top, worker,
};
use crate::connection::connect;
use crate::exit::{self, Exit};
use crate::logging::Level;
use crate::output::{Format, Output};

/// Runs the whole `naq` command with the tasks of `registry`: reads the command line and the `NAQ_*`
/// variables, does what they say, and returns the exit code (0 done, 1 failed, 2 usage, 3 not
/// found, 4 broker unreachable, 5 not authorised).
///
/// It starts a runtime of its own, so it is called from a plain `fn main`.
///
/// # Panics
/// When it is called from within an async runtime.
pub fn main<S: Clone + Send + Sync + 'static>(registry: Registry<S>) -> ExitCode {
    let cli = match args::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) => {
            let exit = Output::new(Format::Table).clap(&error);
            let unknown = exit == Exit::Usage && args::is_check(std::env::args_os());
            return if unknown { Exit::UNKNOWN.into() } else { exit.into() };
        }
    };
    cli.global.color.apply();
    let out = Output::new(cli.global.output);
    match run(cli, registry, out) {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_broken_pipe(&error) => Exit::Ok.into(),
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
) -> Result<Exit> {
    let global = cli.global;
    let usual = match cli.command {
        Command::Worker(_) | Command::Dashboard(_) | Command::Dev(_) => Level::Info,
        _ => Level::Warn,
    };
    // Dropped last, when it sends what is left.
    let traces = global.telemetry.start()?;
    global.log.init(usual, traces.as_ref());
    // Checked even where nothing connects: a wrong variable is better found early.
    let config = || global.connection.config();
    match &cli.command {
        Command::Retry(command) => retry::run(command, out)?,
        Command::Completions(args) => completions::completions(args, out)?,
        Command::Man => completions::man(out)?,
        Command::Worker(args) => return worker::run(args, registry, config()?, out),
        Command::Dashboard(args) => return dashboard::run(args, config()?, out),
        Command::Dev(args) => return dev::run(args, registry, out),
        Command::Doctor => {
            let config = config()?;
            return runtime()?.block_on(doctor::run(config, out));
        }
        Command::Check(args) => return check::run(args, config(), out),
        Command::Enqueue(args) => {
            let (config, ready) = (config()?, args.clone().prepare()?);
            let send = async { enqueue::run(ready, &connect(config).await?, out).await };
            return runtime()?.block_on(send);
        }
        Command::Job(command) => {
            let config = config()?;
            return runtime()?.block_on(async { command.run(&connect(config).await?, out).await });
        }
        Command::Dlq(command) => {
            let config = config()?;
            command.check(out)?;
            return runtime()?.block_on(async { command.run(&connect(config).await?, out).await });
        }
        Command::Queue(command) => {
            let config = config()?;
            command.check(out)?;
            runtime()?.block_on(async { command.run(&connect(config).await?, out).await })?;
        }
        Command::Purge(args) => {
            let config = config()?;
            args.check(out)?;
            runtime()?.block_on(async { args.run(&connect(config).await?, out).await })?;
        }
        Command::Bench(args) => {
            let config = global.connection.is_given.then(config).transpose()?;
            runtime()?.block_on(bench::run(args, config, out))?;
        }
        Command::Breaker(command) => {
            let config = config()?;
            runtime()?.block_on(async { command.run(&connect(config).await?, out).await })?;
        }
        Command::Limit(command) => {
            let config = config()?;
            runtime()?.block_on(async { command.run(&connect(config).await?, out).await })?;
        }
        Command::Schedule(command) => {
            let config = config()?;
            if !command.offline(out)? {
                command.check(out)?;
                runtime()?.block_on(async { command.run(&connect(config).await?, out).await })?;
            }
        }
        Command::Workflow(command) => {
            let config = config()?;
            runtime()?.block_on(async { command.run(&connect(config).await?, out).await })?;
        }
        Command::Top(args) => {
            let config = config()?;
            runtime()?.block_on(async { top::run(args, &connect(config).await?, out).await })?;
        }
        Command::Workers(args) => {
            let config = config()?;
            runtime()?.block_on(async { args.run(&connect(config).await?, out).await })?;
        }
        Command::Audit(args) => {
            let config = config()?;
            runtime()?.block_on(async { args.run(&connect(config).await?, out).await })?;
        }
        Command::Batch(command) => {
            let config = config()?;
            return runtime()?.block_on(async { command.run(&connect(config).await?, out).await });
        }
    }
    Ok(Exit::Ok)
}

/// The threads that commands run on.
pub(crate) fn runtime() -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")
}
