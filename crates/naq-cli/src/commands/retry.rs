//! `naq retry`: computes what a policy does, with the code that workers use. Needs no broker.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_core::retry::{
    Action, AttemptFacts, Decision, Delay, Jitter, Outcome, PreviewRow, RetryPolicy, decide,
    preview,
};
use naq_core::{Advice, Clock, ErrorKind, JobId, SystemClock};
use serde::Serialize;

use crate::output::{Details, GREEN, Output, RED, TableRow, paint};
use crate::text::{duration, parse_duration};

/// Commands about retry policies. They connect to nothing.
#[derive(Debug, Subcommand)]
pub(crate) enum RetryCommand {
    /// List every retry of a policy, with its shortest and longest delay
    #[command(after_help = "\
Examples:
  naq retry preview exponential:2s,max_retries=4
  naq retry preview fixed:2s/5s/10s -o json
  naq retry preview 'exponential:1s,max_retries=10,max_delay=1m,jitter=full'")]
    Preview(PreviewArgs),
    /// Explain a policy in words, setting by setting
    #[command(after_help = "\
Examples:
  naq retry explain aggressive
  naq retry explain 'linear:5s,increment=5s,retry_on=ConnectionError|TimeoutError'")]
    Explain(RetryPolicyArg),
    /// Show what a worker decides after a failed attempt, and by which rule
    #[command(after_help = "\
Examples:
  naq retry decide exponential:2s --error ConnectionError --attempt 2
  naq retry decide selective --error HTTPError.503 --attempt 1 -o json")]
    Decide(DecideArgs),
}

const POLICY_HELP: &str = "STRATEGY:DELAY[/DELAY...][,key=value...], or a preset: conservative, \
                           aggressive, selective, none";

#[derive(Debug, Args)]
pub(crate) struct RetryPolicyArg {
    /// The policy as text, or the name of a preset.
    #[arg(value_name = "POLICY", help = POLICY_HELP)]
    policy: RetryPolicy,
}

#[derive(Debug, Args)]
pub(crate) struct PreviewArgs {
    #[command(flatten)]
    policy: RetryPolicyArg,
    /// Show at most this many retries; 0 for all
    #[arg(long, value_name = "N", default_value_t = 1000)]
    limit: usize,
}

#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    policy: RetryPolicyArg,
    /// The kind of the error, such as ConnectionError or HTTPError.503
    #[arg(long, value_name = "KIND")]
    error: ErrorKind,
    /// The attempt that failed, from 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// How many workers have crashed while they ran the job
    #[arg(long, value_name = "N", default_value_t = 0)]
    crashes: u32,
    /// How long ago the first attempt started, such as 90s or 2h
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "0s")]
    elapsed: Duration,
    /// The job's id; with jitter, the delays depend on it
    #[arg(long, value_name = "ID", default_value = "job")]
    job_id: JobId,
}

pub(crate) fn run(command: &RetryCommand, out: Output) -> Result<()> {
    match command {
        RetryCommand::Preview(args) => show_preview(args, out),
        RetryCommand::Explain(args) => explain(&args.policy, out),
        RetryCommand::Decide(args) => show_decision(args, out),
    }
}

impl TableRow for PreviewRow {
    const COLUMNS: &'static [&'static str] =
        &[">RETRY", ">ATTEMPT", "DELAY", "SINCE FIRST ATTEMPT"];
    const NONE: &'static str = "no retries: the job has only one attempt";

    fn cells(&self) -> Vec<String> {
        vec![
            self.retry.to_string(),
            self.attempt.to_string(),
            band(self.delay_min_ms, self.delay_max_ms),
            band(self.elapsed_min_ms, self.elapsed_max_ms),
        ]
    }
}

fn band(min: u64, max: u64) -> String {
    let text = |ms| duration(Duration::from_millis(ms));
    if min == max { text(min) } else { format!("{} to {}", text(min), text(max)) }
}

fn show_preview(args: &PreviewArgs, out: Output) -> Result<()> {
    let policy = &args.policy.policy;
    let most = if args.limit == 0 { usize::MAX } else { args.limit };
    let mut retries = preview(policy);
    let rows: Vec<PreviewRow> = retries.by_ref().take(most).collect();
    out.list(&rows)?;
    if retries.next().is_some() {
        out.note(format_args!(
            "these are the first {} of at most {} retries; to show more: --limit N",
            rows.len(),
            policy.max_retries()
        ))?;
    }
    Ok(())
}

/// A policy with all defaults filled in.
#[derive(Serialize)]
struct ExplainedPolicy {
    policy: String,
    summary: String,
    max_retries: u32,
    max_attempts: u32,
    strategy: String,
    delay_ms: Vec<u64>,
    increment_ms: Option<u64>,
    multiplier: f64,
    max_delay_ms: u64,
    jitter: Jitter,
    retry_on: Vec<ErrorKind>,
    ignore_on: Vec<ErrorKind>,
    retry_for_ms: Option<u64>,
    max_crashes: u32,
}

fn explain(policy: &RetryPolicy, out: Output) -> Result<()> {
    let ms = naq_core::clock::millis;
    let explained = ExplainedPolicy {
        policy: policy.to_string(),
        summary: policy.summary(),
        max_retries: policy.max_retries(),
        max_attempts: policy.max_attempts(),
        strategy: policy.strategy().to_string(),
        delay_ms: policy.delay().as_slice().iter().copied().map(ms).collect(),
        increment_ms: policy.increment().map(ms),
        multiplier: policy.multiplier(),
        max_delay_ms: ms(policy.max_delay()),
        jitter: policy.jitter(),
        retry_on: policy.retry_on().to_vec(),
        ignore_on: policy.ignore_on().to_vec(),
        retry_for_ms: policy.retry_for().map(ms),
        max_crashes: policy.max_crashes(),
    };
    out.one(&explained, || in_words(policy))
}

fn in_words(policy: &RetryPolicy) -> String {
    let kinds = |kinds: &[ErrorKind], none: &str| match kinds {
        [] => none.to_owned(),
        kinds => kinds.iter().map(ErrorKind::as_str).collect::<Vec<_>>().join(", "),
    };
    let delay = match policy.delay() {
        Delay::Every(d) => format!("{}, {}", duration(*d), policy.strategy()),
        Delay::List(_) => format!("{}; the last one repeats", policy.delay()),
    };
    Details::default()
        .with("policy", policy)
        .with("in words", policy.summary())
        .with(
            "attempts",
            format_args!(
                "{} at most: the first and {} retries",
                policy.max_attempts(),
                policy.max_retries()
            ),
        )
        .with("delay", delay)
        .maybe("increment", policy.increment().map(duration))
        .with("max delay", duration(policy.max_delay()))
        .with("jitter", policy.jitter())
        .with("retried", kinds(policy.retry_on(), "any error"))
        .with(
            "never retried",
            kinds(policy.ignore_on(), "none but those that the handler marks as fatal"),
        )
        .with("retry for", policy.retry_for().map_or("no limit".into(), duration))
        .with("max crashes", format_args!("{}: then the job is poison", policy.max_crashes()))
        .render()
}

fn show_decision(args: &DecideArgs, out: Output) -> Result<()> {
    let now = SystemClock.now();
    let facts = AttemptFacts {
        job_id: &args.job_id,
        attempt: args.attempt,
        crashes: args.crashes,
        first_started_at: now.saturating_sub(args.elapsed),
        deadline: None,
        now,
    };
    let outcome = Outcome::Failed { kind: &args.error, advice: Advice::Policy };
    let decision = decide(&args.policy.policy, &facts, &outcome);
    out.one(&decision, || decided(&decision))
}

fn decided(decision: &Decision) -> String {
    let style = if matches!(decision.action, Action::Dead) { RED } else { GREEN };
    Details::default()
        .styled("action", paint(style, decision.action.as_str()))
        .maybe("delay", decision.action.delay().map(duration))
        .with("rule", decision.rule)
        .with("reason", decision.reason())
        .render()
}
