//! The command: a run with its report, or one of the roles in it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::check::Verdict;
use crate::plan::{Plan, Settings};
use crate::report;
use crate::roles::Role;
use crate::run::run;

/// Proves NAQ's promises 1, 2, 3 and 6 on real processes: thousands of jobs with scripted outcomes,
/// while workers are killed and rolled, the broker is killed, restarted and paused, and connections
/// are cut. What producers and handlers wrote down is compared with what the broker holds at the
/// end.
///
/// Exit code 0: all promises kept. 1: one was broken, or the run failed.
#[derive(Debug, Parser)]
#[command(name = "naq-fault-run", version, args_conflicts_with_subcommands = true)]
struct Cli {
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
    /// How long jobs arrive and faults happen, such as 90s or 10m.
    #[arg(long, default_value = "2m", value_parser = duration)]
    duration: Duration,
    /// Replays a plan: the same jobs, the same faults at the same times. Random when not given.
    #[arg(long, env = "NAQ_FAULT_SEED")]
    seed: Option<u64>,
    /// Keeps plan, ledgers and logs here. Otherwise they are kept only after a violation.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The report's form.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// Parses the command line and does as it says.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let quiet = if cli.role.is_some() { "info" } else { "error" };
    let filter = EnvFilter::try_from_env("NAQ_FAULT_LOG").unwrap_or_else(|_| quiet.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let done = match cli.role {
        Some(role) => role.play().await.map(ExitCode::from),
        None => long_run(cli.run).await,
    };
    done.unwrap_or_else(|error| {
        tell(&format!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

async fn long_run(args: RunArgs) -> Result<ExitCode> {
    let millis = u64::try_from(args.duration.as_millis())?;
    let settings = Settings { jobs: args.jobs, workers: args.workers, duration_ms: millis };
    let plan = Plan::new(args.seed.unwrap_or_else(|| fastrand::u64(..)), settings);
    tell(&report::intent(&plan));
    let scratch = tempfile::Builder::new().prefix("naq-faults-").tempdir()?;
    let dir = args.dir.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let program = std::env::current_exe().context("this program cannot be found")?;
    let verdict = run(&plan, &program, dir, tell).await?;
    write(&verdict, &plan, args.output)?;
    if verdict.violations.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    let kept = args.dir.unwrap_or_else(|| scratch.keep());
    tell(&format!("plan, ledgers and logs are in {}", kept.display()));
    Ok(ExitCode::FAILURE)
}

fn write(verdict: &Verdict, plan: &Plan, output: Output) -> Result<()> {
    let text = match output {
        Output::Table => report::table(verdict, plan),
        Output::Json => report::json(verdict, plan)?,
    };
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

/// Progress goes to stderr; whoever closed it does not want it.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

fn duration(text: &str) -> Result<Duration, String> {
    let span = humantime::parse_duration(text).map_err(|err| err.to_string())?;
    if span < Duration::from_secs(10) {
        return Err("use at least 10s: faults need some time to be felt".into());
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["x", "--jobs", "5", "--duration", "10m", "-o", "json"]);
        assert_eq!(cli.expect("parses").run.duration, Duration::from_secs(600));
        assert!(Cli::try_parse_from(["x", "--duration", "1s"]).is_err());
    }
}
