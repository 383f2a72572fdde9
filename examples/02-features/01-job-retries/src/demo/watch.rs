//! Watches jobs. Prints one line for every attempt as soon as the broker has it.

use std::time::Duration;

use anyhow::{Result, bail};
use naq::transport::{JobKey, WorkerStatus};
use naq::wire::{AttemptOutcome, AttemptRecord};
use naq::{Client, ClientError, Clock, JobReport, SystemClock};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::screen::{AGAIN, BAD, FAINT, GOOD, styled};
use super::{Expected, Observed, Row, Screen};

/// How often to ask the broker.
const POLL_INTERVAL: Duration = Duration::from_millis(40);
/// How long a job may take beyond the delays of its policy.
const MAX_EXTRA: Duration = Duration::from_secs(30);
/// How long to wait for a worker.
const WORKER_WAIT: Duration = Duration::from_secs(30);

/// A job that has not ended, as far as the demo knows.
#[derive(Debug)]
pub(super) struct Watched {
    row: Row,
    key: JobKey,
    max_attempts: u32,
    shown: usize,
    ended: bool,
}

impl Watched {
    pub(super) fn new(
        program: &'static str,
        name: &'static str,
        key: JobKey,
        expected: Expected,
    ) -> Self {
        let row = Row { program, name, id: key.id.clone(), expected, observed: None };
        Self { row, key, max_attempts: 0, shown: 0, ended: false }
    }

    /// Stores a new report, and returns the attempts that the previous one did not have.
    fn update(&mut self, report: &JobReport) -> Vec<AttemptRecord> {
        self.row.observed = Some(Observed::of(report));
        self.ended = report.state.is_final();
        let Some(job) = &report.envelope else { return Vec::new() };
        self.max_attempts = job.max_attempts();
        let new = job.history.get(self.shown..).unwrap_or_default().to_vec();
        self.shown = job.history.len();
        new
    }
}

/// Watches until every job has ended, or until the time limit.
pub(super) async fn all(
    client: &Client,
    screen: Screen,
    mut jobs: Vec<Watched>,
) -> Result<Vec<Row>> {
    let start = SystemClock.now();
    let longest = jobs.iter().map(|job| job.row.expected.longest()).max().unwrap_or_default();
    let until = start + longest + MAX_EXTRA;
    let mut ticks = ticks();
    screen.line("");
    while jobs.iter().any(|job| !job.ended) && SystemClock.now() < until {
        ticks.tick().await;
        let mut lines = Vec::new();
        for job in jobs.iter_mut().filter(|job| !job.ended) {
            let report = match client.report(&job.key).await {
                Ok(report) => report,
                Err(ClientError::NoJob(_)) => continue,
                Err(error) => return Err(error.into()),
            };
            for record in job.update(&report) {
                let at = record.ended_at.unwrap_or(start);
                lines.push((at, line(job, &record, at.since(start))));
            }
        }
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().for_each(|(_, line)| screen.line(line));
    }
    Ok(jobs.into_iter().map(|job| job.row).collect())
}

/// `0.4s fixed         attempt 1 of 4   ↻ ConnectionError, retry in 1s`
fn line(job: &Watched, record: &AttemptRecord, at: Duration) -> String {
    let time = styled(FAINT, format_args!("{:>4.1}s", at.as_secs_f64()));
    let attempt = format!("attempt {} of {}", record.attempt, job.max_attempts);
    format!("{time} {:<13} {attempt:<16} {}", job.row.name, outcome_text(job, record))
}

fn outcome_text(job: &Watched, record: &AttemptRecord) -> String {
    let wait = record.delay_ms.map(|ms| short(Duration::from_millis(ms)));
    let kind = record.error_kind.as_ref().map_or("", |kind| kind.as_str());
    match (record.outcome, wait) {
        (AttemptOutcome::Completed, _) => {
            let result = job.row.observed.as_ref().and_then(|o| o.result.as_deref());
            styled(GOOD, format_args!("✓ {}", result.unwrap_or("done")))
        }
        (AttemptOutcome::Snoozed, Some(wait)) => {
            styled(AGAIN, format_args!("… snoozed, again in {wait}"))
        }
        (AttemptOutcome::Cancelled, _) => {
            let why = record.message.as_deref().unwrap_or("cancelled");
            styled(FAINT, format_args!("∅ {why}"))
        }
        (_, Some(wait)) => styled(AGAIN, format_args!("↻ {kind}, retry in {wait}")),
        (_, None) => {
            let rule = record.rule.map_or("unknown", |rule| rule.as_str());
            styled(BAD, format_args!("✗ {kind}, dead: {rule}"))
        }
    }
}

/// `400ms`, `1.6s`, `12s`.
fn short(delay: Duration) -> String {
    if delay < Duration::from_secs(1) {
        return format!("{}ms", delay.as_millis());
    }
    format!("{}s", (delay.as_secs_f64() * 100.0).round() / 100.0)
}

/// Waits until a worker serves both queues.
pub(super) async fn for_a_worker(client: &Client, screen: Screen) -> Result<()> {
    let start = SystemClock.now();
    let mut ticks = ticks();
    let mut hint_printed = false;
    loop {
        ticks.tick().await;
        let workers = client.list_workers().await?;
        let serves = |queue: &str| {
            workers.iter().any(|worker| {
                worker.status != WorkerStatus::Stopping
                    && worker.queues.iter().any(|q| q.as_str() == queue)
            })
        };
        if serves("default") && serves("retry_queue") {
            return Ok(());
        }
        let waited = SystemClock.now().since(start);
        if waited > WORKER_WAIT {
            bail!("no worker runs; start one: {START_WORKER}");
        }
        if waited > Duration::from_secs(1) && !hint_printed {
            hint_printed = true;
            screen.line(format_args!("waiting for a worker; start one: {START_WORKER}"));
        }
    }
}

const START_WORKER: &str = "cargo run -p job-retries --bin worker -- worker default retry_queue";

fn ticks() -> Interval {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
