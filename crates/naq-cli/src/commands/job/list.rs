//! `naq job list`: lists jobs in one state, page by page.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use naq_client::{Client, Run, Runs};
use naq_core::transport::{JobSummary, JobsCursor, JobsPage, JobsQuery, Order, Place, SCAN};
use naq_core::{ErrorKind, JobState, QueueName, TaskName, Timestamp};
use serde::Serialize;

use crate::output::{Format, Output, TableRow};
use crate::run_words;
use crate::text::{about, parse_duration, skipped_note};

#[derive(Debug, Args)]
pub(crate) struct JobListArgs {
    /// Only this state: pending, running, blocked, scheduled, retrying, completed, dead, cancelled or
    /// expired [default: pending and running]
    #[arg(short, long, value_parser = parse_state(), hide_possible_values = true)]
    state: Option<JobState>,
    /// Only this queue [default: all, one after the other]
    #[arg(short, long)]
    queue: Option<QueueName>,
    /// Only this task
    #[arg(long)]
    task: Option<TaskName>,
    /// Only jobs whose last error is of this kind or below it, such as HTTPError
    #[arg(long, value_name = "KIND", visible_alias = "kind")]
    error_kind: Option<ErrorKind>,
    /// Only jobs with this tag
    #[arg(long)]
    tag: Option<String>,
    /// Only ids that begin with this
    #[arg(long, value_name = "PREFIX")]
    id: Option<String>,
    /// Only jobs that entered their state within this time, such as 15m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    since: Option<Duration>,
    /// List the oldest first [default: the newest]
    #[arg(long)]
    oldest_first: bool,
    /// Jobs per page; 0 for as many as a page can hold
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Continue after the previous page, with the cursor that it printed
    #[arg(long)]
    cursor: Option<JobsCursor>,
}

/// As [`parse_state`], of jobs that have not ended.
pub(super) fn parse_live_state() -> impl TypedValueParser<Value = JobState> {
    let live = JobState::ALL.into_iter().filter(|state| !state.is_final());
    PossibleValuesParser::new(live.map(JobState::as_str)).try_map(|state| state.parse::<JobState>())
}

/// The names of the states, which shells complete.
fn parse_state() -> impl TypedValueParser<Value = JobState> {
    PossibleValuesParser::new(JobState::ALL.map(JobState::as_str))
        .try_map(|state| state.parse::<JobState>())
}

impl JobListArgs {
    fn query(&self, now: Timestamp) -> JobsQuery {
        JobsQuery {
            queue: self.queue.clone(),
            task: self.task.clone(),
            error_kind: self.error_kind.clone(),
            tag: self.tag.clone(),
            id_prefix: self.id.clone(),
            since: self.since.map(|span| now.saturating_sub(span)),
            order: if self.oldest_first { Order::OldestFirst } else { Order::NewestFirst },
            limit: if self.limit == 0 { usize::MAX } else { self.limit },
            cursor: self.cursor.clone(),
            ..self.state.map_or_else(|| JobsQuery::at(Place::Queue), JobsQuery::of)
        }
    }

    /// Reads until the list is full, or as many jobs were read as a page may read. A page of the client ends
    /// after some requests, and some queues without jobs need as many.
    async fn first_page(&self, client: &Client, now: Timestamp) -> Result<JobsPage> {
        let mut query = self.query(now);
        let limit = query.limit;
        let mut all = client.jobs(&query).await?;
        while let Some(next) = all.next.take() {
            let is_stuck = query.cursor.as_ref().is_some_and(|read| *read == next);
            if is_stuck || all.jobs.len() >= limit || all.scanned >= SCAN {
                all.next = Some(next);
                break;
            }
            query.cursor = Some(next);
            query.limit = limit - all.jobs.len();
            let page = client.jobs(&query).await?;
            all.jobs.extend(page.jobs);
            all.scanned += page.scanned;
            all.skipped += page.skipped;
            all.next = page.next;
        }
        Ok(all)
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let now = client.broker_now().await?;
        let page = self.first_page(client, now).await?;
        let runs = match page.jobs.iter().any(|job| job.state == JobState::Running) {
            true => client.runs().await?,
            false => Runs::default(),
        };
        let row = |job: JobSummary| JobRow { run: runs.of_job(&job.key).cloned(), job, now };
        let JobsPage { jobs, scanned, skipped, next } = page;
        let jobs: Vec<JobRow> = jobs.into_iter().map(row).collect();
        if out.format() == Format::Json {
            return out.one(&ListedPage { jobs, scanned, skipped, next }, String::new);
        }
        if let (true, Some(next)) = (jobs.is_empty(), &next) {
            if skipped > 0 {
                out.note(skipped_note(skipped))?;
            }
            return out.note(format_args!(
                "none of the {scanned} jobs read so far matches; to read on: --cursor {next}"
            ));
        }
        out.list(&jobs)?;
        if skipped > 0 {
            out.note(skipped_note(skipped))?;
        }
        match next {
            Some(next) => {
                out.note(format_args!("read {scanned} jobs; for the next page: --cursor {next}"))
            }
            None => Ok(()),
        }
    }
}

/// A [`JobsPage`] with the worker of each job that runs.
#[derive(Serialize)]
struct ListedPage {
    jobs: Vec<JobRow>,
    scanned: usize,
    #[serde(skip_serializing_if = "is_zero")]
    skipped: usize,
    next: Option<JobsCursor>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// One line of `naq job list`: a job, and the time against which its times are computed.
#[derive(Serialize)]
struct JobRow {
    #[serde(flatten)]
    job: JobSummary,
    /// The worker that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run>,
    #[serde(skip)]
    now: Timestamp,
}

impl JobRow {
    /// When the job is due, for how long it has run, or how long it has been in its state.
    fn when(&self) -> String {
        let Self { job, now, run } = self;
        if let Some(started) = run.as_ref().and_then(|run| run.started_at) {
            return format!("for {}", about(now.since(started)));
        }
        match job.due_at.filter(|due| due > now) {
            Some(due) => format!("in {}", about(due.since(*now))),
            None => format!("{} ago", about(now.since(job.stored_at))),
        }
    }
}

impl TableRow for JobRow {
    const COLUMNS: &'static [&'static str] =
        &["ID", "QUEUE", "TASK", "STATE", ">ATTEMPT", "WHEN", "WORKER", "~LAST ERROR"];
    const LEFT_OUT: &'static [&'static str] = &["QUEUE", "WORKER", "WHEN", "TASK", "ATTEMPT"];
    const NONE: &'static str = "no jobs match";

    fn cells(&self) -> Vec<String> {
        let job = &self.job;
        let of = job.max_attempts.map_or(String::new(), |max| format!("/{max}"));
        let error = job.error_kind.as_ref().map(|kind| {
            let message = job.message.as_deref().unwrap_or_default();
            format!("{kind}: {}", message.chars().take(60).collect::<String>())
        });
        vec![
            job.key.id.to_string(),
            job.key.queue.to_string(),
            job.task.as_ref().map_or("-".into(), ToString::to_string),
            match job.state {
                JobState::Running => run_words::state(self.run.as_ref()).to_owned(),
                state => state.to_string(),
            },
            format!("{}{of}", job.attempt),
            self.when(),
            self.run.as_ref().map_or("-".into(), |run| run.worker.to_string()),
            error.unwrap_or_else(|| "-".into()),
        ]
    }
}
