//! `naq breaker`: lists circuit breakers; opens or closes one by hand.

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client};
use naq_core::flow::breaker::{BreakerEntry, BreakerState, Phase};
use naq_core::{Clock, SystemClock, Timestamp};
use serde::Serialize;

use super::audit;
use crate::output::{Details, Output, TableRow};
use crate::text::{about, count, parse_duration};

#[derive(Debug, Subcommand)]
pub(crate) enum BreakerCommand {
    /// List the breakers that are not closed, or had failures lately
    #[command(visible_alias = "ls")]
    List,
    /// Show one breaker
    Show {
        /// The task or dependency
        #[arg(value_parser = parse_key)]
        key: String,
    },
    /// Open a breaker: its jobs do not start; running jobs go on
    #[command(
        long_about = "\
Open a breaker: its jobs do not start. All workers obey within a second, and running jobs go on. If \
the key is the name of a task, this pauses the task, even if no breaker is registered for it.",
        after_help = "\
Examples:
  naq breaker open stripe --for 10m --reason maintenance
  naq breaker open email.send                 pause a task until the breaker is closed"
    )]
    Open(OpenArgs),
    /// Close a breaker: jobs start again, at first only a growing share of them
    #[command(after_help = "\
Examples:
  naq breaker close stripe
  naq breaker close stripe --over 5m          more slowly
  naq breaker close email.send --over 0s      all at once")]
    Close(CloseArgs),
    /// Delete the state of a breaker: it is closed at once
    Reset(ResetArgs),
}

#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The task or dependency
    #[arg(value_parser = parse_key)]
    key: String,
    /// How long it stays open, such as 30m or 2h [default: until closed]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    span: Option<Duration>,
    /// The reason; jobs that are held back show it
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The task or dependency
    #[arg(value_parser = parse_key)]
    key: String,
    /// How long it takes until all jobs start again
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_recovery)]
    over: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct ResetArgs {
    /// The tasks or dependencies
    #[arg(value_name = "KEY", required_unless_present = "all", value_parser = parse_key)]
    keys: Vec<String>,
    /// All breakers that have a state
    #[arg(long, conflicts_with = "keys")]
    all: bool,
}

fn parse_key(text: &str) -> Result<String, String> {
    match BreakerEntry::state_key(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err("a key has 1 to about 160 characters".to_owned()),
    }
}

fn parse_recovery(text: &str) -> Result<Duration, String> {
    let longest = Duration::from_secs(7 * 86_400);
    match parse_duration(text)? {
        over if over <= longest => Ok(over),
        _ => Err("use at most 7d".to_owned()),
    }
}

impl BreakerCommand {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match self {
            Self::List => {
                let lines = client.breakers().await?.into_iter().map(BreakerRow::new);
                out.list(&lines.filter(BreakerRow::is_worth_listing).collect::<Vec<_>>())
            }
            Self::Show { key } => show(client.breaker(key).await?, out),
            Self::Open(args) => {
                let is_known = is_known(&args.key, client).await;
                let entry = client.open_breaker(&args.key, args.span, &args.reason).await?;
                record("open", &args.key, &args.reason, client, out).await?;
                if !is_known {
                    let key = &args.key;
                    out.note(format_args!(
                        "note: no task and no breaker is known as {key}, so it may hold no job; to \
                         remove it: naq breaker reset {key}"
                    ))?;
                }
                show(entry, out)
            }
            Self::Close(args) => {
                let entry = client.close_breaker(&args.key, args.over).await?;
                record("close", &args.key, "", client, out).await?;
                show(entry, out)
            }
            Self::Reset(args) => reset(args, client, out).await,
        }
    }
}

/// Whether a task with this name ran in the last day, or a breaker has this key. True if that cannot be
/// read. A breaker of a service without a recent failure has no entry, so it is not known either.
async fn is_known(key: &str, client: &Client) -> bool {
    const DAY: Duration = Duration::from_secs(86_400);
    let Ok(breaker) = client.breaker(key).await else { return true };
    let Ok(history) = client.history().await else { return true };
    let now = client.now();
    breaker.is_stored() || history.totals(DAY, now).tasks().any(|(_, task, _)| task.as_str() == key)
}

fn show(entry: BreakerEntry, out: Output) -> Result<()> {
    let line = BreakerRow::new(entry);
    out.one(&line, || line.details())
}

/// One line of `naq breaker list`: the current state of a breaker.
#[derive(Serialize)]
struct BreakerRow {
    key: String,
    #[serde(flatten)]
    state: BreakerState,
    failures: u32,
    #[serde(skip)]
    now: Timestamp,
}

impl BreakerRow {
    fn new(entry: BreakerEntry) -> Self {
        let now = SystemClock.now();
        let state = entry.now(now);
        Self { key: entry.key, failures: state.failures(), state, now }
    }

    fn is_worth_listing(&self) -> bool {
        self.failures > 0 || self.state.phase.since().is_some()
    }

    fn state(&self) -> &'static str {
        match self.state.phase {
            Phase::Open { by_hand: true, .. } => "open by hand",
            Phase::HalfOpen { .. } => "half open",
            _ => self.state.phase.as_str(),
        }
    }

    /// Which jobs start now, and what happens next.
    fn next(&self) -> String {
        let left = |until: Timestamp| about(until.since(self.now));
        match &self.state.phase {
            Phase::Closed { .. } if self.failures == 0 => "all jobs start".into(),
            Phase::Closed { .. } => {
                format!("all jobs start; {} lately", count(self.failures.into(), "failure"))
            }
            Phase::Open { until: None, .. } => "no job starts until the breaker is closed".into(),
            Phase::Open { until: Some(until), by_hand: true, .. } => {
                format!("no job starts for {}; then the breaker recovers", left(*until))
            }
            Phase::Open { until: Some(until), .. } if *until <= self.now => {
                "the next job is a probe".into()
            }
            Phase::Open { until: Some(until), .. } => {
                format!("no job starts for {}; then probes", left(*until))
            }
            Phase::HalfOpen { probes, successes, .. } => {
                let running = count(probes.len() as u64, "probe");
                format!("{running} running, {successes} succeeded")
            }
            Phase::Recovering { until, .. } => {
                format!("a share of the jobs starts; all of them in {}", left(*until))
            }
            _ => "this version of naq does not know this phase".into(),
        }
    }

    fn reason(&self) -> Option<&str> {
        match &self.state.phase {
            Phase::Open { reason, .. } if !reason.is_empty() => Some(reason),
            _ => None,
        }
    }

    fn details(&self) -> String {
        let ago = |at: Timestamp| format!("{at} ({} ago)", about(self.now.since(at)));
        let opened = self.state.round.to_string();
        Details::default()
            .with("breaker", &self.key)
            .with("state", self.state())
            .with("next", self.next())
            .maybe("because", self.reason())
            .maybe("since", self.state.phase.since().map(ago))
            .maybe("opened", (self.state.round > 1).then(|| format!("{opened} times in a row")))
            .render()
    }
}

impl TableRow for BreakerRow {
    const COLUMNS: &'static [&'static str] = &["BREAKER", "STATE", ">SINCE", "~NEXT", "~BECAUSE"];
    const LEFT_OUT: &'static [&'static str] = &["SINCE", "NEXT"];
    const NONE: &'static str = "no breaker is open or had a failure lately";

    fn cells(&self) -> Vec<String> {
        let since = self.state.phase.since().map(|since| about(self.now.since(since)));
        vec![
            self.key.clone(),
            self.state().to_owned(),
            since.unwrap_or_else(|| "-".into()),
            self.next(),
            self.reason().unwrap_or("-").to_owned(),
        ]
    }
}

/// The result of a reset.
#[derive(Serialize)]
struct ResetResult {
    key: String,
    known: bool,
}

impl TableRow for ResetResult {
    const COLUMNS: &'static [&'static str] = &["BREAKER", "~DONE"];
    const NONE: &'static str = "no breaker to reset";

    fn cells(&self) -> Vec<String> {
        let words = if self.known { "state deleted: closed" } else { "had no state: closed" };
        vec![self.key.clone(), words.to_owned()]
    }
}

async fn reset(args: &ResetArgs, client: &Client, out: Output) -> Result<()> {
    let keys = match args.all {
        true => client.breakers().await?.into_iter().map(|entry| entry.key).collect(),
        false => args.keys.clone(),
    };
    let mut done = Vec::new();
    for key in keys {
        let known = client.reset_breaker(&key).await?;
        if known {
            record("reset", &key, "", client, out).await?;
        }
        done.push(ResetResult { key, known });
    }
    out.list(&done)
}

async fn record(what: &str, key: &str, reason: &str, client: &Client, out: Output) -> Result<()> {
    let entry = |who: &str| AuditEntry::new(who, what, format!("breaker {key}")).reason(reason);
    audit::record(client, out, entry).await
}
