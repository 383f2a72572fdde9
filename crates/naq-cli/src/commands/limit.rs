//! `naq limit`: the limit keys in use, the jobs that hold limit slots, and the jobs that wait.

use anyhow::Result;
use clap::Subcommand;
use naq_client::{Client, LimitInfo, LimitedJob};
use naq_core::Timestamp;
use naq_core::flow::Rate;
use serde::Serialize;

use crate::exit::CliError;
use crate::output::{BOLD, Details, Output, TableRow, paint};
use crate::text::{about, count, duration};

/// How many jobs of a wait list are shown.
const SHOWN: usize = 20;

#[derive(Debug, Subcommand)]
pub(crate) enum LimitCommand {
    /// List the keys in use, with their counts
    #[command(visible_alias = "ls")]
    List,
    /// Show one key: the jobs that hold its slots, the jobs that wait, when the next may start
    #[command(
        after_help = "Examples:\n  naq limit show tenant:7\n  naq limit show api -o json | jq .next_start"
    )]
    Show {
        /// The key
        key: String,
    },
}

impl LimitCommand {
    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let now = client.broker_now().await?;
        match self {
            Self::List => {
                let limits = client.limits().await?;
                out.list(
                    &limits.into_iter().map(|info| LimitRow::new(info, now)).collect::<Vec<_>>(),
                )
            }
            Self::Show { key } => {
                let found = client.limit(key).await?;
                let info = found.ok_or_else(|| {
                    CliError::not_found(format!("no job uses the limit {key:?} now"))
                        .next("list the keys in use: naq limit list")
                })?;
                out.one(&info, || words(&info, now))
            }
        }
    }
}

/// One line of `naq limit list`: a key with its counts.
#[derive(Serialize)]
struct LimitRow {
    key: String,
    concurrency: Option<u32>,
    running: usize,
    waiting: usize,
    rate: Option<Rate>,
    next_start: Option<Timestamp>,
    #[serde(skip)]
    now: Timestamp,
}

impl LimitRow {
    fn new(info: LimitInfo, now: Timestamp) -> Self {
        Self {
            key: info.key,
            concurrency: info.concurrency,
            running: info.running.len(),
            waiting: info.waiting.len(),
            rate: info.rate,
            next_start: info.next_start,
            now,
        }
    }
}

impl TableRow for LimitRow {
    const COLUMNS: &'static [&'static str] = &["KEY", ">RUNNING", ">WAITING", "RATE", "NEXT START"];
    const LEFT_OUT: &'static [&'static str] = &["NEXT START", "RATE"];
    const NONE: &'static str = "no limits in use; to give a job one: naq enqueue TASK \
                                --concurrency-key KEY=N";

    fn cells(&self) -> Vec<String> {
        vec![
            self.key.clone(),
            self.concurrency.map_or("-".into(), |of| format!("{}/{of}", self.running)),
            self.concurrency.map_or("-".into(), |_| self.waiting.to_string()),
            self.rate.map_or("-".into(), |rate| rate_words(&rate)),
            self.next_start.map_or("-".into(), |start| start_words(start, self.now)),
        ]
    }
}

/// The rate in the form of `--rate-limit`: `100/1m`.
fn rate_words(rate: &Rate) -> String {
    let burst = if rate.burst > 1 { format!(" burst {}", rate.burst) } else { String::new() };
    format!("{}/{}{burst}", rate.count, duration(std::time::Duration::from_millis(rate.per_ms)))
}

fn start_words(start: Timestamp, now: Timestamp) -> String {
    if start <= now { "now".to_owned() } else { format!("in {}", about(start.since(now))) }
}

fn words(info: &LimitInfo, now: Timestamp) -> String {
    let running = info.concurrency.map(|of| format!("{} of {of}", info.running.len()));
    let next = info.next_start.map(|start| start_words(start, now));
    let mut text = Details::default()
        .with("key", &info.key)
        .maybe("running", running)
        .maybe("waiting", info.concurrency.map(|_| info.waiting.len()))
        .maybe("rate", info.rate.as_ref().map(rate_words))
        .maybe("next start", next)
        .render();
    let job = |job: &LimitedJob, verb: &str| {
        format!("\n  {}  {verb} {} ago, on {}", job.job, about(now.since(job.at)), job.worker)
    };
    if !info.running.is_empty() {
        text.push_str(&format!("\n\n{}", paint(BOLD, "running")));
        text.extend(info.running.iter().map(|held| job(held, "slot renewed")));
    }
    if !info.waiting.is_empty() {
        text.push_str(&format!("\n\n{}", paint(BOLD, "waiting, the next one first")));
        text.extend(info.waiting.iter().take(SHOWN).map(|held| job(held, "waiting since")));
        if let Some(more) = info.waiting.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            text.push_str(&format!("\n  and {} more", count(more as u64, "job")));
        }
    }
    text
}
