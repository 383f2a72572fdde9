//! `naq job`: shows jobs and acts on them.

mod cancel;
mod list;
mod run_again;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, Hold, JobReport, Progress};
use naq_core::transport::JobKey;
use naq_core::{Clock, JobState, QueueName, SystemClock, Timer, Timestamp};

use self::cancel::JobCancelArgs;
use self::list::JobListArgs;
use self::run_again::JobRunAgainArgs;
pub(crate) use self::run_again::send_again;
use super::audit;
use super::wait::wait;
use crate::exit::ExitCode;
use crate::hold_words;
use crate::job_details::{JobDetails, attempt_words, progress_words, state};
use crate::job_name::JobName;
use crate::output::{Format, Output};
use crate::text::{about, parse_duration, printable};

/// A watched job's progress gets a line at each of these percents, and after this time.
const PROGRESS_STEP: u64 = 10;
const PROGRESS_EVERY: Duration = Duration::from_secs(30);
/// How often a watched job is read.
const CHECK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs in one state, page by page; a page reads at most 1,000 jobs
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  naq job list                                     pending and running jobs
  naq job list --state retrying --error-kind HTTPError
  naq job list --state dead --task email.send --since 1h -o json
  naq job list --state pending --queue mail --cursor mail/4711"
    )]
    List(JobListArgs),
    /// Show everything about a job: state, attempts with their decisions and reasons, result
    #[command(
        after_help = "Examples:\n  naq job show ID\n  naq job show ID -o json | jq .attempts"
    )]
    Show {
        #[command(flatten)]
        which: JobIdArgs,
        /// Show values as they are stored; by default the values of keys that are named like a secret
        /// (password, token, api_key...) are hidden
        #[arg(long)]
        show_secrets: bool,
    },
    /// Cancel a job that has not ended, or all jobs that match; a running handler is notified
    #[command(after_help = "\
Examples:
  naq job cancel ID
  naq job cancel --queue mail --task email.send --dry-run
  naq job cancel --queue mail --state pending --older-than 2h --yes

A cancel of all that match is a batch: it counts and asks first, and `naq batch list` shows it. It
cannot be undone.")]
    Cancel(JobCancelArgs),
    /// Enqueue a new job like one that has ended: same task, arguments, queue, policy and tags
    #[command(after_help = "\
Examples:
  naq job run-again ID
  naq job run-again ID --to-queue slow

The other job stays as it is. A dead job can also run again under its own id: naq dlq requeue ID.")]
    RunAgain(JobRunAgainArgs),
    /// Make a waiting job due now
    RetryNow(JobIdArgs),
    /// Wait for a job's result: exit code 0 if it completed, 1 if it ended otherwise or the timeout
    /// passed, 3 if the job does not exist
    #[command(after_help = "\
Examples:
  naq job wait ID --timeout 5m
  naq job wait \"$(naq enqueue report --args 7)\" | jq .total
  naq job wait ID -o json                          the whole job, whether it completed or not

Only the result goes to stdout.")]
    Wait {
        #[command(flatten)]
        which: JobIdArgs,
        /// Stop waiting after this time [default: never]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
    /// Follow a job until it ends: exit code 0 if it completed, 1 if it ended otherwise
    #[command(
        after_help = "Examples:\n  naq job watch ID\n  naq job watch \"$(naq enqueue demo.flaky)\" --timeout 1m"
    )]
    Watch {
        #[command(flatten)]
        which: JobIdArgs,
        /// Stop waiting after this time [default: never]
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        timeout: Option<Duration>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct JobIdArgs {
    /// The job: its id, or QUEUE/ID as the lists print it
    id: JobName,
    /// The job's queue [default: any]
    #[arg(short, long)]
    queue: Option<QueueName>,
}

/// The job with this name.
async fn find_job(id: &JobName, queue: Option<&QueueName>, client: &Client) -> Result<JobReport> {
    let queue = id.queue(queue)?;
    Ok(client.job(&id.id, queue.as_ref()).await?)
}

impl JobIdArgs {
    async fn find(&self, client: &Client) -> Result<JobReport> {
        find_job(&self.id, self.queue.as_ref(), client).await
    }

    async fn key(&self, client: &Client) -> Result<JobKey> {
        Ok(self.find(client).await?.key)
    }
}

impl JobCommand {
    /// Checks the arguments as far as possible without a connection.
    pub(crate) fn check(&self) -> Result<()> {
        match self {
            Self::Cancel(args) => args.check(),
            _ => Ok(()),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<ExitCode> {
        match self {
            Self::List(args) => args.run(client, out).await?,
            Self::Show { which, show_secrets } => {
                let report = which.find(client).await?;
                let hold = client.hold_of(&report).await?;
                let run = client.run_of(&report).await?;
                let shown = JobDetails::from(&report).held_by(hold).run_by(run);
                show(shown, *show_secrets, out)?;
            }
            Self::Cancel(args) => return args.run(client, out).await,
            Self::RunAgain(args) => args.run(client, out).await?,
            Self::RetryNow(which) => {
                let before = which.find(client).await?;
                let key = before.key.clone();
                let hold = client.hold_of(&before).await?;
                let report = client.retry_now(&key).await?;
                let entry = |who: &str| AuditEntry::new(who, "retry-now", format!("job {key}"));
                audit::record(client, out, entry).await?;
                let held = hold.as_ref().map_or_else(String::new, still_held);
                acted(&report, &format!("is due now{held}"), out)?;
            }
            Self::Wait { which, timeout } => {
                let key = which.key(client).await?;
                return wait(&key, *timeout, client, out).await;
            }
            Self::Watch { which, timeout } => return watch(which, *timeout, client, out).await,
        }
        Ok(ExitCode::Ok)
    }
}

fn show(shown: JobDetails, secrets: bool, out: Output) -> Result<()> {
    let shown = if secrets { shown } else { shown.redacted() };
    out.one(&shown, || shown.words())
}

/// After a retry-now: what holds the job still does.
fn still_held(hold: &Hold) -> String {
    let next = hold_words::next_step(hold);
    format!(", but it is held: {}; next: {}", printable(&hold.reason), printable(&next))
}

fn acted(report: &JobReport, what: &str, out: Output) -> Result<()> {
    out.one(&JobDetails::from(report).redacted(), || format!("job {} {what}", report.key.id))
}

async fn watch(
    which: &JobIdArgs,
    timeout: Option<Duration>,
    client: &Client,
    out: Output,
) -> Result<ExitCode> {
    let until = timeout.map(|t| SystemClock.now() + t);
    let key = which.key(client).await?;
    let mut watch = WatchState::default();
    loop {
        let report = client.report(&key).await?;
        watch.print_new(&report, out)?;
        if report.state.is_final() {
            let completed = report.state == JobState::Completed;
            return Ok(if completed { ExitCode::Ok } else { ExitCode::Failed });
        }
        if out.is_closed() {
            return Ok(ExitCode::Unread);
        }
        let now = SystemClock.now();
        if until.is_some_and(|until| now >= until) {
            out.note(format_args!("timeout: job {} is still {}", key.id, report.state))?;
            return Ok(ExitCode::Failed);
        }
        SystemClock.sleep_until(now + CHECK_EVERY).await;
    }
}

/// What `naq job watch` has printed so far.
#[derive(Default)]
struct WatchState {
    state: Option<(JobState, u32)>,
    /// The progress that was printed last, and when.
    progress: Option<(Progress, Timestamp)>,
    printed: Vec<naq_core::AttemptRecord>,
}

impl WatchState {
    fn print_new(&mut self, report: &JobReport, out: Output) -> Result<()> {
        let shown = JobDetails::from(report);
        let attempt = report.envelope.as_ref().map_or(1, |job| job.attempt);
        let fresh: Vec<_> =
            shown.attempts.iter().filter(|r| !self.printed.contains(r)).cloned().collect();
        let current = Some((report.state, attempt));
        let changed = self.state != current;
        let moved = self.has_moved(report.progress.as_ref(), SystemClock.now());
        if fresh.is_empty() && !changed && !moved {
            return Ok(());
        }
        self.state = current;
        self.progress = report.progress.clone().map(|progress| (progress, SystemClock.now()));
        if out.format() == Format::Table {
            let max = report.envelope.as_ref().map(|job| job.max_attempts());
            for record in &fresh {
                out.raw(&attempt_words(record, max))?;
            }
            out.raw(&format!("  {}", state_line(report, attempt)))?;
        } else {
            // One line per change: a single array would not be complete before the job ends.
            out.line(&shown)?;
        }
        self.printed.extend(fresh);
        Ok(())
    }
}

impl WatchState {
    /// Whether the progress is worth a line: a step of [`PROGRESS_STEP`] percent, or a change after
    /// [`PROGRESS_EVERY`].
    fn has_moved(&self, progress: Option<&Progress>, now: Timestamp) -> bool {
        let Some(progress) = progress else { return false };
        let Some((last, at)) = &self.progress else { return true };
        let step = |it: &Progress| it.percent().map(|percent| percent / PROGRESS_STEP);
        last != progress && (step(last) != step(progress) || now.since(*at) >= PROGRESS_EVERY)
    }
}

fn state_line(report: &JobReport, attempt: u32) -> String {
    let of =
        report.envelope.as_ref().map_or(String::new(), |job| format!(" of {}", job.max_attempts()));
    let now = SystemClock.now();
    match (report.state, report.due_at) {
        (state_now @ (JobState::Scheduled | JobState::Retrying), Some(due)) => {
            format!("{}: attempt {attempt}{of} in {}", state(state_now), about(due.since(now)))
        }
        (state_now @ (JobState::Pending | JobState::Running), _) => {
            let progress = report.progress.as_ref().map(|p| format!("  {}", progress_words(p)));
            format!("{}: attempt {attempt}{of}{}", state(state_now), progress.unwrap_or_default())
        }
        (ended, _) => state(ended),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_job_has_a_line_for_every_tenth_of_its_progress_and_not_for_every_report() {
        let mut watch = WatchState::default();
        let mut lines = 0;
        for done in 0..=1_600 {
            let now = Timestamp::from_millis(1_000 + done * 250);
            let progress =
                Progress { done, total: 1_600, message: String::new(), attempt: 1, at: now };
            if watch.has_moved(Some(&progress), now) {
                watch.progress = Some((progress, now));
                lines += 1;
            }
        }
        // One for each tenth, which takes 40 s, and one in between, after 30 s.
        assert_eq!(lines, 21);
    }
}
