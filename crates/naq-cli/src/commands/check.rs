//! `naq check`: one look at a queue, the workers or the dead letters, judged against bounds, in the
//! words and exit codes of monitoring systems.

mod crew;
mod dlq;
mod queue;
mod recent;
mod render;
mod verdict;
mod worker;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::Client;
use naq_nats::NatsConfig;

use crate::connection::connect;
use crate::exit::{Exit, Problem, explain};
use crate::output::{Format, Output};
use crate::run::runtime;
use crate::text::parse_duration;

use render::CheckFormat;
use verdict::{Bounds, Severity, Verdict};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq check queue mail --warn-depth 1000 --crit-oldest 10m
  naq check worker --queue mail --crit-workers 2 --format nagios
  naq check dlq --crit-recent 0 --within 15m
  naq check queue mail --format prometheus > naq_mail.prom

Exit codes, as monitoring systems expect: 0 ok, 1 warning, 2 critical, 3 unknown. A broker
that cannot be reached or does not answer is critical: nothing works without it. Refused
credentials, a queue that does not exist and mistakes in the arguments are unknown. What is
exactly at a bound is allowed.")]
pub(crate) struct CheckArgs {
    #[command(subcommand)]
    what: What,
    /// How to write the verdict [default: text, or json with -o json]
    #[arg(long, global = true, value_enum, value_name = "FORMAT", help_heading = "Output")]
    format: Option<CheckFormat>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A queue: how many jobs wait, and for how long
    Queue(queue::QueueArgs),
    /// The workers: how many are alive, when they were last heard of, slots in use
    #[command(visible_alias = "workers")]
    Worker(worker::WorkerArgs),
    /// The dead letters: how many there are, how many are new
    Dlq(dlq::DlqArgs),
}

impl What {
    /// The name of the check, and the queue that it is about.
    fn subject(&self) -> (&'static str, Option<String>) {
        match self {
            Self::Queue(args) => ("queue", Some(args.queue.to_string())),
            Self::Worker(args) => ("worker", args.queue.as_ref().map(ToString::to_string)),
            Self::Dlq(args) => ("dlq", args.queue.as_ref().map(ToString::to_string)),
        }
    }

    /// All bounds, each with the part of its flags after `--warn-` and `--crit-`.
    fn bounds(&self) -> Vec<(&'static str, Bounds)> {
        match self {
            Self::Queue(args) => args.bounds().into(),
            Self::Worker(args) => args.bounds().into(),
            Self::Dlq(args) => args.bounds().into(),
        }
    }

    async fn look(&self, client: &Client) -> Result<Verdict> {
        match self {
            Self::Queue(args) => queue::look(args, client).await,
            Self::Worker(args) => worker::look(args, client).await,
            Self::Dlq(args) => dlq::look(args, client).await,
        }
    }
}

/// Looks and judges. Whatever goes wrong is a verdict too, so that a monitoring system gets one.
pub(crate) fn run(args: &CheckArgs, config: Result<NatsConfig>, out: Output) -> Result<Exit> {
    let look = || {
        check_bounds(&args.what)?;
        let config = config?;
        runtime()?.block_on(async { args.what.look(&connect(config).await?).await })
    };
    let verdict = look().unwrap_or_else(|error| blind(&args.what, &error));
    let format = args.format.unwrap_or(match out.format() {
        Format::Table => CheckFormat::Text,
        Format::Json | Format::Jsonl => CheckFormat::Json,
    });
    // Whoever does not read it has the exit code.
    let _ = render::print(&verdict, format, out);
    Ok(match verdict.severity {
        Severity::Ok => Exit::Ok,
        Severity::Warning => Exit::WARNING,
        Severity::Critical => Exit::CRITICAL,
        Severity::Unknown => Exit::UNKNOWN,
    })
}

/// A warning that can never come is a mistake that nobody would notice.
fn check_bounds(what: &What) -> Result<()> {
    match what.bounds().into_iter().find(|(_, bounds)| bounds.is_upside_down()) {
        None => Ok(()),
        Some((name, _)) => Err(Problem::usage(format!(
            "--warn-{name} is beyond --crit-{name}, so there would never be a warning"
        ))
        .into()),
    }
}

/// The verdict when there was nothing to see: the broker is gone, which is critical, or the check
/// itself is wrong.
fn blind(what: &What, error: &anyhow::Error) -> Verdict {
    let (exit, next) = explain(error);
    let severity = match exit {
        Exit::Unreachable => Severity::Critical,
        _ => Severity::Unknown,
    };
    let (check, queue) = what.subject();
    Verdict::blind(check, queue, severity, error.to_string()).next(next)
}

/// Reads a share in percent, as 90 or 90%.
fn parse_percent(text: &str) -> Result<u64, String> {
    match text.trim_end_matches('%').trim_end().parse() {
        Ok(percent) if percent <= 100 => Ok(percent),
        _ => Err("use a share from 0 to 100, as 90 or 90%".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_read_with_and_without_its_sign() {
        assert_eq!(
            (parse_percent("90"), parse_percent("90%"), parse_percent("5 %")),
            (Ok(90), Ok(90), Ok(5))
        );
        for bad in ["", "%", "101", "-1", "0.5"] {
            assert!(parse_percent(bad).is_err(), "{bad}");
        }
    }
}
