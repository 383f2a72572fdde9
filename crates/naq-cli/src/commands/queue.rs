//! `naq queue`: counts, pause, limit, purge.

mod limit;
mod task;

use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, Hold, Runs};
use naq_core::flow::TaskPause;
use naq_core::transport::QueueInfo;
use naq_core::{QueueName, TaskName, Timestamp};
use serde::Serialize;

use super::audit;
use super::confirm::{self, Confirm};
use crate::exit::CliError;
use crate::hold_words;
use crate::output::{BOLD, DIM, Details, Output, TableRow, paint};
use crate::text::{about, count, duration, parse_duration, printable};

const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Subcommand)]
pub(crate) enum QueueCommand {
    /// List all queues with their counts
    #[command(visible_alias = "ls")]
    List,
    /// Show one queue
    #[command(visible_alias = "show")]
    Info {
        /// The queue
        queue: QueueName,
    },
    /// Create what queues need on the broker: streams and consumers, those that all queues share included.
    /// Other programs then need no right to create anything
    #[command(after_help = "Example:\n  naq queue create mail billing")]
    Create {
        /// The queues
        #[arg(required = true, value_name = "QUEUE")]
        queues: Vec<QueueName>,
    },
    /// Pause queues: their jobs do not start; running jobs go on
    #[command(after_help = "\
Examples:
  naq queue pause mail --for 30m
  naq queue pause mail billing
  naq queue pause mail --task email.send --reason 'the provider is down'")]
    Pause(QueuePauseArgs),
    /// Resume paused queues
    Resume {
        /// The queues
        #[arg(required = true, value_name = "QUEUE")]
        queues: Vec<QueueName>,
        /// Only this task, if it was paused with --task
        #[arg(long, value_name = "TASK")]
        task: Option<TaskName>,
    },
    /// Limit how many jobs of a queue run at once, or how many it stores
    Limit(limit::QueueLimitArgs),
    /// Remove every job of the queues: pending, running and waiting; dead letters stay
    #[command(
        after_help = "Examples:\n  naq queue purge mail --dry-run\n  naq queue purge mail --yes"
    )]
    Purge(QueuePurgeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct QueuePauseArgs {
    /// The queues
    #[arg(required = true, value_name = "QUEUE")]
    queues: Vec<QueueName>,
    /// How long, such as 30m or 2h [default: until resumed]
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration, conflicts_with = "until")]
    span: Option<Duration>,
    /// Until this time, such as 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// Only the jobs of this task; they are held back, and no attempt is counted
    #[arg(long, value_name = "TASK")]
    task: Option<TaskName>,
    /// The reason
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct QueuePurgeArgs {
    /// The queues
    #[arg(required = true, value_name = "QUEUE")]
    queues: Vec<QueueName>,
    #[command(flatten)]
    confirm: Confirm,
}

impl QueueCommand {
    /// Asks before a purge.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::Purge(args) => args.check(out),
            _ => Ok(()),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match self {
            Self::List => {
                let (queues, paused) = (client.queues().await?, client.paused_tasks().await?);
                let runs = client.runs().await?;
                let now = client.now();
                let line = |info| QueueRow::new(info, &runs, &paused, now);
                out.list(&queues.into_iter().map(line).collect::<Vec<_>>())
            }
            Self::Info { queue } => {
                let (info, paused) = (info(client, queue).await?, client.paused_tasks().await?);
                let last_day = EndedJobs::of(queue, client).await;
                let holds = client.holds(queue).await?;
                let runs = client.runs().await?;
                let line = QueueRow::new(info, &runs, &paused, client.now());
                let line = QueueRow { last_day, holds, ..line };
                out.one(&line, || line.details())
            }
            Self::Create { queues } => create(queues, client, out).await,
            Self::Pause(args) => match &args.task {
                Some(task) => task::pause(args, task, client, out).await,
                None => pause(args, client, out).await,
            },
            Self::Resume { queues, task: Some(task) } => {
                task::resume(queues, task, client, out).await
            }
            Self::Resume { queues, task: None } => resume(queues, client, out).await,
            Self::Limit(args) => args.run(client, out).await,
            Self::Purge(args) => args.run(client, out).await,
        }
    }
}

/// One line of `naq queue list`: a queue, and the time at which it was read.
#[derive(Serialize)]
struct QueueRow {
    #[serde(flatten)]
    info: QueueInfo,
    /// Those of its running jobs that wait in a worker for a slot.
    taken: u64,
    /// Tasks that are paused individually.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    paused_tasks: Vec<TaskPause>,
    /// How its jobs ended; only for `naq queue info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_day: Option<EndedJobs>,
    /// What holds its jobs; only for `naq queue info`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<Hold>,
    #[serde(skip)]
    now: Timestamp,
}

/// Jobs that ended in the last 24 hours, from the workers' statistics.
#[derive(Debug, Clone, Copy, Serialize)]
struct EndedJobs {
    completed: u64,
    dead: u64,
    cancelled: u64,
    expired: u64,
}

impl EndedJobs {
    /// `None` if the statistics cannot be read.
    async fn of(queue: &QueueName, client: &Client) -> Option<Self> {
        let history = client.history().await.ok()?;
        let counts = history.totals(DAY, client.now()).queue(queue);
        let (completed, dead) = (counts.completed.total(), counts.dead.total());
        Some(Self { completed, dead, cancelled: counts.cancelled, expired: counts.expired })
    }

    fn words(self) -> String {
        let Self { completed, dead, cancelled, expired } = self;
        format!("{completed} completed, {dead} dead, {cancelled} cancelled, {expired} expired")
    }
}

impl QueueRow {
    fn new(info: QueueInfo, runs: &Runs, paused: &[TaskPause], now: Timestamp) -> Self {
        let own = paused.iter().filter(|pause| pause.queue == info.name).cloned();
        let taken = info.running - runs.running(&info.name, info.running);
        Self { paused_tasks: own.collect(), last_day: None, holds: Vec::new(), taken, info, now }
    }

    /// The jobs that have a slot.
    fn running(&self) -> u64 {
        self.info.running - self.taken
    }

    fn running_words(&self) -> String {
        let limit = self.info.concurrency_limit.map_or("no limit".into(), |n| n.to_string());
        let taken = match self.taken {
            0 => String::new(),
            n => format!("; {n} more are taken: they wait in a worker for a slot"),
        };
        format!("{} (limit: {limit}){taken}", self.running())
    }

    fn state(&self) -> String {
        if !self.info.evicts.is_empty() {
            return "LOSES JOBS, see naq doctor".into();
        }
        if self.info.is_paused(self.now) {
            return match self.info.pause_ends_at(self.now) {
                Some(until) => format!("paused for {}", about(until.since(self.now))),
                None => "paused until resumed".into(),
            };
        }
        match self.paused_tasks.len() {
            0 => "open".into(),
            n => format!("open, {} paused", count(n as u64, "task")),
        }
    }

    fn paused_words(&self) -> Option<String> {
        let words = |pause: &TaskPause| {
            let until = pause.until.map(|until| format!(" for {}", about(until.since(self.now))));
            let why = Some(&pause.reason).filter(|why| !why.is_empty());
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            format!("{}{} by {}{why}", pause.task, until.unwrap_or_default(), pause.who)
        };
        let all: Vec<_> = self.paused_tasks.iter().map(words).collect();
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn stored_words(&self) -> String {
        let q = &self.info;
        match q.bound.is_set() {
            true => format!("{} bytes (bound: {})", q.bytes, q.bound),
            false => format!("{} bytes", q.bytes),
        }
    }

    fn evicts_words(&self) -> Option<String> {
        let evicts = &self.info.evicts;
        let words = format!(
            "its stream has {}: the broker removes jobs, and enqueues fail; see naq doctor",
            evicts.join(", ")
        );
        (!evicts.is_empty()).then_some(words)
    }

    fn details(&self) -> String {
        let q = &self.info;
        Details::default()
            .with("queue", &q.name)
            .with("state", self.state())
            .with("pending", q.pending)
            .with("running", self.running_words())
            .with("waiting", format_args!("{} (scheduled or retrying)", q.waiting))
            .with("dead", q.dead)
            .maybe("last 24 h", self.last_day.map(EndedJobs::words))
            .maybe("oldest", q.oldest.map(about))
            .maybe("lease", q.lease.map(duration))
            .with("stored", self.stored_words())
            .maybe("evicts", self.evicts_words())
            .maybe("paused", self.paused_words())
            .render()
            + &self.holds_words()
    }

    /// What holds the jobs of the queue: a line each, and below it the command that ends it.
    fn holds_words(&self) -> String {
        let mut text = String::new();
        for hold in &self.holds {
            let (words, next) = (hold_words::words(hold, self.now), hold_words::next_step(hold));
            let (words, next) = (printable(&words).into_owned(), printable(&next).into_owned());
            text.push_str(&format!("\n  {words}\n    {} {next}", paint(DIM, "next:")));
        }
        if text.is_empty() { text } else { format!("\n\n{}{text}", paint(BOLD, "held")) }
    }
}

impl TableRow for QueueRow {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE", ">PENDING", ">TAKEN", ">RUNNING", ">LIMIT", ">WAITING", ">DEAD", "OLDEST",
        "~STATE",
    ];
    const LEFT_OUT: &'static [&'static str] = &["LIMIT", "OLDEST", "TAKEN", "WAITING"];
    const NONE: &'static str = "no queues; the first job creates one: naq enqueue TASK";

    fn cells(&self) -> Vec<String> {
        let q = &self.info;
        vec![
            q.name.to_string(),
            q.pending.to_string(),
            self.taken.to_string(),
            self.running().to_string(),
            q.concurrency_limit.map_or("-".into(), |n| n.to_string()),
            q.waiting.to_string(),
            q.dead.to_string(),
            q.oldest.map_or("-".into(), about),
            self.state(),
        ]
    }
}

async fn info(client: &Client, queue: &QueueName) -> Result<QueueInfo> {
    let found = client.transport().queue_info(queue).await?;
    Ok(found.ok_or_else(|| missing(queue))?)
}

fn missing(queue: &QueueName) -> CliError {
    CliError::not_found(format!("no queue {queue}")).next("list the queues: naq queue list")
}

async fn all_exist(client: &Client, queues: &[QueueName]) -> Result<()> {
    let known = client.transport().queues().await?;
    match queues.iter().find(|queue| !known.contains(queue)) {
        Some(queue) => Err(missing(queue).into()),
        None => Ok(()),
    }
}

/// The result of an action on a queue.
#[derive(Serialize)]
struct QueueActionResult<'a> {
    queue: &'a QueueName,
    #[serde(skip_serializing_if = "Option::is_none")]
    paused_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jobs: Option<u64>,
    #[serde(skip)]
    words: String,
}

impl TableRow for QueueActionResult<'_> {
    const COLUMNS: &'static [&'static str] = &["QUEUE", "~DONE"];
    const NONE: &'static str = "nothing to do";

    fn cells(&self) -> Vec<String> {
        vec![self.queue.to_string(), self.words.clone()]
    }
}

async fn create(queues: &[QueueName], client: &Client, out: Output) -> Result<()> {
    let mut done = Vec::new();
    for queue in queues {
        client.transport().create_queue(queue).await?;
        let entry = |who: &str| AuditEntry::new(who, "create", format!("queue {queue}"));
        audit::record(client, out, entry).await?;
        let words = "has its streams".into();
        done.push(QueueActionResult { queue, paused_until: None, jobs: None, words });
    }
    out.list(&done)
}

async fn pause(args: &QueuePauseArgs, client: &Client, out: Output) -> Result<()> {
    all_exist(client, &args.queues).await?;
    let until = match (args.until, args.span) {
        (Some(until), _) => until,
        (None, span) => client.broker_now().await? + span.unwrap_or(QueueInfo::UNTIL_RESUMED),
    };
    let mut done = Vec::new();
    for queue in &args.queues {
        client.transport().pause(queue, until).await?;
        let line = QueueRow::new(info(client, queue).await?, &Runs::default(), &[], client.now());
        let entry = |who: &str| AuditEntry::new(who, "pause", format!("queue {queue}"));
        audit::record(client, out, |who| entry(who).reason(&args.reason)).await?;
        done.push(QueueActionResult {
            queue,
            paused_until: Some(until),
            jobs: None,
            words: line.state(),
        });
    }
    out.list(&done)
}

async fn resume(queues: &[QueueName], client: &Client, out: Output) -> Result<()> {
    all_exist(client, queues).await?;
    let mut done = Vec::new();
    for queue in queues {
        client.transport().resume(queue).await?;
        let entry = |who: &str| AuditEntry::new(who, "resume", format!("queue {queue}"));
        audit::record(client, out, entry).await?;
        done.push(QueueActionResult {
            queue,
            paused_until: None,
            jobs: None,
            words: "open".into(),
        });
    }
    out.list(&done)
}

impl QueuePurgeArgs {
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        let names: Vec<_> = self.queues.iter().map(QueueName::as_str).collect();
        confirm::ask(
            &self.confirm,
            out,
            &format!("remove every job of {} permanently?", names.join(", ")),
        )
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        all_exist(client, &self.queues).await?;
        let mut done = Vec::new();
        for queue in &self.queues {
            let jobs = if self.confirm.dry_run {
                let info = info(client, queue).await?;
                info.pending + info.running + info.waiting
            } else {
                let jobs = client.purge_queue(queue).await?;
                let entry = |who: &str| AuditEntry::new(who, "purge", format!("queue {queue}"));
                audit::record(client, out, |who| entry(who).count(jobs)).await?;
                jobs
            };
            let verb = if self.confirm.dry_run { "would remove" } else { "removed" };
            let words = format!("{verb} {}", count(jobs, "job"));
            done.push(QueueActionResult { queue, paused_until: None, jobs: Some(jobs), words });
        }
        out.list(&done)
    }
}
