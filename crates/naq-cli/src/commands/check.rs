//! `naq check`: compares a queue, the workers or the dead letters with limits, and answers with the
//! words and exit codes that monitoring systems expect.

mod dlq;
mod queue;
mod recent;
mod render;
mod result;
mod worker;
mod worker_summary;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::Client;

use crate::connection::{ClientConfig, connect};
use crate::exit::{CliError, ExitCode, explain};
use crate::output::{Format, Output};
use crate::runtime::runtime;
use crate::text::parse_duration;

use render::CheckFormat;
use result::{CheckBounds, CheckResult, Severity};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq check queue mail --warn-depth 1000 --crit-oldest 10m
  naq check worker --queue mail --crit-workers 2 --format nagios
  naq check dlq --crit-recent 0 --within 15m
  naq check queue mail --format prometheus > naq_mail.prom

Exit codes, as monitoring systems expect: 0 ok, 1 warning, 2 critical, 3 unknown. A broker
that cannot be reached or does not answer is critical: nothing works without it. Refused
credentials, a queue that does not exist and wrong arguments are unknown. A value
exactly at a limit is ok.")]
pub(crate) struct CheckArgs {
    #[command(subcommand)]
    what: CheckTarget,
    /// Format of the result [default: text, or json with -o json]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = "Output")]
    format: Option<CheckFormat>,
}

#[derive(Debug, Subcommand)]
enum CheckTarget {
    /// Check a queue: how many jobs wait, and for how long
    Queue(queue::CheckQueueArgs),
    /// Check the workers: how many are alive, the age of their heartbeats, slots in use
    #[command(visible_alias = "workers")]
    Worker(worker::CheckWorkerArgs),
    /// Check the dead letters: how many there are, how many are new
    Dlq(dlq::CheckDlqArgs),
}

impl CheckTarget {
    /// The name of the check, and the queue that it checks.
    fn subject(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Queue(args) => ("queue", Some(args.queue.to_string())),
            Self::Worker(args) => ("worker", args.queue.as_ref().map(ToString::to_string)),
            Self::Dlq(args) => ("dlq", args.queue.as_ref().map(ToString::to_string)),
        }
    }

    /// All limits, each with the name of its flags after `--warn-` and `--crit-`.
    fn bounds(&self) -> Vec<(&'static str, CheckBounds)> {
        match self {
            Self::Queue(args) => args.bounds().into(),
            Self::Worker(args) => args.bounds().into(),
            Self::Dlq(args) => args.bounds().into(),
        }
    }

    async fn run_check(&self, client: &Client) -> Result<CheckResult> {
        match self {
            Self::Queue(args) => queue::run_check(args, client).await,
            Self::Worker(args) => worker::run_check(args, client).await,
            Self::Dlq(args) => dlq::run_check(args, client).await,
        }
    }
}

/// Runs the check and prints the result. An error becomes a result too, because a monitoring system
/// needs one.
pub(crate) fn run(args: &CheckArgs, config: Result<ClientConfig>, out: Output) -> Result<ExitCode> {
    let check = || {
        check_bounds(&args.what)?;
        let config = config?;
        runtime()?.block_on(async { args.what.run_check(&connect(config).await?).await })
    };
    let result = check().unwrap_or_else(|error| unknown(&args.what, &error));
    let format = args.format.unwrap_or(match out.format() {
        Format::Table => CheckFormat::Text,
        Format::Json | Format::Jsonl => CheckFormat::Json,
    });
    // If stdout is closed, the exit code still gives the result.
    let _ = render::print(&result, format, out);
    Ok(match result.severity {
        Severity::Ok => ExitCode::Ok,
        Severity::Warning => ExitCode::WARNING,
        Severity::Critical => ExitCode::CRITICAL,
        Severity::Unknown => ExitCode::UNKNOWN,
    })
}

/// Refuses a warning limit beyond the critical limit: a value beyond it is always critical.
fn check_bounds(what: &CheckTarget) -> Result<()> {
    match what.bounds().into_iter().find(|(_, bounds)| bounds.is_reversed()) {
        None => Ok(()),
        Some((name, _)) => Err(CliError::usage(format!(
            "--warn-{name} is beyond --crit-{name}, so there could never be a warning"
        ))
        .into()),
    }
}

/// The result of a check that failed: critical if the broker cannot be reached, else unknown.
fn unknown(what: &CheckTarget, error: &anyhow::Error) -> CheckResult {
    let (exit, next) = explain(error);
    let severity = match exit {
        ExitCode::Unreachable => Severity::Critical,
        _ => Severity::Unknown,
    };
    let (check, queue) = what.subject();
    CheckResult::unknown(check, queue, severity, error.to_string()).next(next)
}

/// Parses a share in percent: 90 or 90%.
fn parse_percent(text: &str) -> Result<u64, String> {
    match text.trim_end_matches('%').trim_end().parse() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err("use a share from 0 to 100, such as 90 or 90%".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_parsed_with_and_without_a_percent_sign() {
        assert_eq!(
            (parse_percent("90"), parse_percent("90%"), parse_percent("5 %")),
            (Ok(90), Ok(90), Ok(5))
        );
        for bad in ["", "%", "101", "-1", "0.5"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
    }
}
