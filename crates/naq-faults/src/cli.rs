//! The command line: a fault run with its report, or one of the roles in it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, ValueEnum};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use crate::check::CheckReport;
use crate::plan::{RunPlan, RunSettings};
use crate::report;
use crate::roles::Role;
use crate::run::run;
use crate::worker_log::WorkerLog;

/// Proves NAQ's promises 1, 2, 3, 6 and 9 with real processes. Thousands of jobs have scripted
/// outcomes. Meanwhile the program kills and restarts workers, kills, restarts and pauses the
/// broker, and cuts connections. Operators cancel, purge and requeue jobs, pause and limit queues,
/// delete consumers and edit streams. At the end the program compares the ledgers of producers,
/// handlers and operators with the jobs that the broker has stored.
///
/// Exit code 0: all promises were kept. 1: a promise was broken, or the run failed.
#[derive(Debug, Parser)]
#[command(name = "naq-fault-run", version, args_conflicts_with_subcommands = true)]
struct FaultCli {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Jobs to enqueue, spread over the duration.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Worker processes.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
    /// Servers of the broker. With 3, they are a cluster, and their leaders are killed, paused and cut off.
    #[arg(long, default_value = "1", value_parser = servers)]
    servers: u32,
    /// How long jobs are enqueued and faults happen, such as 90s or 10m.
    #[arg(long, default_value = "2m", value_parser = duration)]
    duration: Duration,
    /// The seed of a plan to repeat: the same jobs, and the same faults at the same times. Default:
    /// random.
    #[arg(long, env = "NAQ_FAULT_SEED")]
    seed: Option<u64>,
    /// Where to store plan, ledgers and logs. By default they are stored only after a violation.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The format of the report.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Table)]
    output: OutputFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OutputFormat {
    Table,
    Json,
}

/// Parses the command line and runs it.
pub async fn main() -> ExitCode {
    let cli = FaultCli::parse();
    let default_filter = if cli.role.is_some() { "info" } else { "error" };
    let filter = EnvFilter::try_from_env("NAQ_FAULT_LOG").unwrap_or_else(|_| default_filter.into());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_filter(filter);
    let worker = cli.role.as_ref().and_then(Role::as_worker);
    let worker = worker.map(|(dir, name)| WorkerLog::layer(dir, name));
    tracing_subscriber::registry().with(lines).with(worker).init();
    let done = match cli.role {
        Some(role) => role.run().await.map(ExitCode::from),
        None => long_run(cli.run).await,
    };
    done.unwrap_or_else(|error| {
        print_progress(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn long_run(args: RunArgs) -> Result<ExitCode> {
    let millis = u64::try_from(args.duration.as_millis())?;
    let settings = RunSettings {
        jobs: args.jobs,
        workers: args.workers,
        servers: args.servers,
        duration_ms: millis,
    };
    let plan = RunPlan::new(args.seed.unwrap_or_else(|| fastrand::u64(..)), settings);
    print_progress(&report::run_header(&plan));
    let scratch = tempfile::Builder::new().prefix("naq-faults-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    let program = std::env::current_exe().context("cannot find this program")?;
    let report = run(&plan, &program, dir, print_progress).await?;
    write(&report, &plan, args.output)?;
    if report.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let dir = args.dir.unwrap_or_else(|| scratch.keep());
    print_progress(&format!("plan, ledgers and logs are in {}", dir.display()));
    Ok(ExitCode::FAILURE)
}

fn write(report: &CheckReport, plan: &RunPlan, output: OutputFormat) -> Result<()> {
    let text = match output {
        OutputFormat::Table => report::table(report, plan),
        OutputFormat::Json => report::json(report, plan)?,
    };
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Prints progress to stderr. An error means that stderr is closed, and is ignored.
fn print_progress(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn servers(text: &str) -> Result<u32, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        _ => Err("use 1 or 3".into()),
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|err| err.to_string())?;
    if span < Duration::from_secs(10) {
        return Err("use at least 10s: faults need time to have an effect".into());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_valid() {
        FaultCli::command().debug_assert();
        let cli = FaultCli::try_parse_from(["x", "--jobs", "5", "--duration", "10m", "-o", "json"]);
        assert_eq!(cli.expect("parses").run.duration, Duration::from_secs(600));
        assert!(FaultCli::try_parse_from(["x", "--duration", "1s"]).is_err());
        assert!(FaultCli::try_parse_from(["x", "--servers", "2"]).is_err());
    }
}
