//! `naq schedule`: recurring jobs.

mod define;
pub(crate) mod foreign;
mod view;

use anyhow::Result;
use clap::builder::Resettable;
use clap::{Args, Subcommand};
use naq_client::{AuditEntry, Client, Registered, ScheduleReport};
use naq_core::schedule::{JobTemplate, Schedule, Tick};
use naq_core::{Clock, ScheduleName, SystemClock, TaskName, Timestamp};
use serde::Serialize;

use self::define::{JobArgs, TimeArgs, WhenArgs};
use self::foreign::DeletedSchedule;
use self::view::{NextRun, ScheduleRow, ScheduleView};
use super::audit;
use super::confirm::{self, Confirm};
use crate::exit::CliError;
use crate::output::Output;
use crate::text::parse_time;

const ADD_EXAMPLES: &str = "\
Examples:
  naq schedule add nightly report.build --cron '30 2 * * *' --tz Europe/Berlin
  naq schedule add poll api.poll --every 30s --overlap skip --max-retries 0
  naq schedule add digest mail.digest --cron '0 9 * * mon-fri' --jitter 10m --catch-up last
  naq schedule add launch push.send --every 1h --start '2026-12-24 18:00' --count 6

A cron expression has five fields (minute hour day month weekday), or six with seconds first, or is
@hourly, @daily, @weekly, @monthly or @yearly. It uses the time zone of --tz. Other times without a
zone are UTC. To add an existing schedule again changes nothing; with other options it updates the
schedule and keeps its counts.";

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleCommand {
    /// Define a schedule, or update the one with this name
    #[command(after_help = ADD_EXAMPLES)]
    Add(Box<ScheduleAddArgs>),
    /// List all schedules with their next runs
    #[command(visible_alias = "ls")]
    List,
    /// Show one schedule: its definition, the last run, the next five runs
    #[command(
        after_help = "Examples:\n  naq schedule show nightly\n  naq schedule show nightly -o json | jq .next"
    )]
    Show {
        /// The schedule
        name: ScheduleName,
    },
    /// Change parts of a schedule; the value `none` removes an option
    #[command(
        after_help = "Examples:\n  naq schedule update nightly --cron '0 4 * * *'\n  naq schedule update nightly --end none --args '{\"full\":true}'"
    )]
    Update(Box<ScheduleUpdateArgs>),
    /// Pause schedules: they make no runs; existing runs go on
    Pause(ScheduleNamesArgs),
    /// Resume schedules with the next tick; ticks during the pause are skipped
    Resume(ScheduleNamesArgs),
    /// Make an extra run now; its id goes to stdout
    #[command(after_help = "Examples:\n  naq job watch \"$(naq schedule run nightly)\"")]
    Run {
        /// The schedule
        name: ScheduleName,
    },
    /// Delete schedules, also those that another program gave to the broker; existing runs go on
    #[command(
        after_help = "Examples:\n  naq schedule delete nightly --yes\n  naq schedule delete mail/job-7 --yes      a repeating message in the queue mail"
    )]
    Delete(ScheduleDeleteArgs),
    /// List the next runs of a schedule, or of --cron or --every, which needs no broker
    #[command(after_help = "\
Examples:
  naq schedule next nightly -n 10
  naq schedule next --cron '30 2 * * *' --tz Europe/Berlin --from 2026-03-28")]
    Next(ScheduleNextArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleAddArgs {
    /// The name of the schedule; the ids of its runs begin with it
    name: ScheduleName,
    /// The task to run, such as report.build
    task: TaskName,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    times: TimeArgs,
    #[command(flatten)]
    job: JobArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleUpdateArgs {
    /// The schedule
    name: ScheduleName,
    /// The task to run
    #[arg(long)]
    task: Option<TaskName>,
    #[command(flatten)]
    when: WhenArgs,
    #[command(flatten)]
    times: TimeArgs,
    #[command(flatten)]
    job: JobArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleNamesArgs {
    /// The schedules
    #[arg(required = true, value_name = "NAME")]
    names: Vec<ScheduleName>,
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleDeleteArgs {
    /// The schedules; QUEUE/ID for a message that the broker repeats and that is no schedule of NAQ
    #[arg(required = true, value_name = "NAME")]
    names: Vec<DeletedSchedule>,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleNextArgs {
    /// The schedule
    #[arg(required_unless_present_any = ["cron", "every"], conflicts_with_all = ["cron", "every"])]
    name: Option<ScheduleName>,
    /// How many runs to list
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 5)]
    number: u16,
    #[command(flatten)]
    when: WhenArgs,
    /// List runs from this time on [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    from: Option<Timestamp>,
}

/// The result of `naq schedule add`.
#[derive(Serialize)]
struct AddResult<'a> {
    outcome: Registered,
    #[serde(flatten)]
    shown: &'a ScheduleView,
}

/// The result of `naq schedule run`.
#[derive(Serialize)]
struct StartedRun<'a> {
    id: &'a str,
    queue: &'a str,
}

/// Adapts the options that `naq schedule` shares with `naq enqueue`. A schedule has its own `--jitter`,
/// so the one of the retries becomes `--retry-jitter`. And `update` ignores the variables of queue and
/// record TTL, because they must not change an existing schedule.
pub(crate) fn adapt(schedule: clap::Command) -> clap::Command {
    let longer =
        |command: clap::Command| command.mut_arg("jitter", |jitter| jitter.long("retry-jitter"));
    let unset = |command: clap::Command| {
        ["queue", "record_ttl"]
            .into_iter()
            .fold(command, |command, name| command.mut_arg(name, |arg| arg.env(Resettable::Reset)))
    };
    schedule
        .mut_subcommand("add", longer)
        .mut_subcommand("update", |command| unset(longer(command)))
}

impl ScheduleCommand {
    /// Runs the command if it needs no broker. Returns whether it did.
    pub(crate) fn run_offline(&self, out: Output) -> Result<bool> {
        match self {
            Self::Next(args) if args.name.is_none() => args.run_offline(out).map(|()| true),
            _ => Ok(false),
        }
    }

    /// Checks the arguments as far as possible without a connection. Asks the user to confirm a delete.
    pub(crate) fn check(&self, out: Output) -> Result<()> {
        match self {
            Self::Add(args) => args.schedule().map(drop),
            Self::Update(args) => args.job.check(),
            Self::Delete(args) => {
                let names: Vec<_> = args.names.iter().map(ToString::to_string).collect();
                let question = format!("delete the schedule {} permanently?", names.join(", "));
                confirm::ask(&args.confirm, out, &question)
            }
            _ => Ok(()),
        }
    }

    pub(crate) async fn run(&self, client: &Client, out: Output) -> Result<()> {
        match self {
            Self::Add(args) => args.run(client, out).await,
            Self::List => list(client, out).await,
            Self::Show { name } => {
                let shown = ScheduleView::from(&client.schedules().get(name).await?);
                out.one(&shown, || shown.words())
            }
            Self::Update(args) => args.run(client, out).await,
            Self::Pause(names) => {
                names
                    .each("pause", client, out, async |name| client.schedules().pause(name).await)
                    .await
            }
            Self::Resume(names) => {
                names
                    .each("resume", client, out, async |name| client.schedules().resume(name).await)
                    .await
            }
            Self::Run { name } => {
                let key = client.schedules().run_now(name).await?;
                record("run-now", name, client, out).await?;
                let started = StartedRun { id: key.id.as_str(), queue: key.queue.as_str() };
                out.one(&started, || key.id.to_string())
            }
            Self::Delete(args) => args.run(client, out).await,
            Self::Next(args) => args.run(client, out).await,
        }
    }
}

/// Writes what was done to a schedule to the audit log.
async fn record(what: &str, name: &ScheduleName, client: &Client, out: Output) -> Result<()> {
    audit::record(client, out, |who| AuditEntry::new(who, what, format!("schedule {name}"))).await
}

async fn list(client: &Client, out: Output) -> Result<()> {
    let all = client.schedules().list().await?;
    // Listing also repairs schedules whose chore is missing. The list is valid without that.
    let _ = client.schedules().ensure_all().await;
    out.list(&all.iter().map(ScheduleRow::from).collect::<Vec<_>>())?;
    foreign::note_all(client, out).await
}

impl ScheduleAddArgs {
    fn schedule(&self) -> Result<Schedule> {
        let when = self.when.when().ok_or_else(|| {
            CliError::usage("no time to run is given")
                .next("add --cron '30 2 * * *' or --every 10m; to try it first: naq schedule next --cron ...")
        })?;
        let job = JobTemplate::new(self.job.new_job(&self.task)?)?;
        let mut schedule = Schedule::new(self.name.clone(), when, job, SystemClock.now());
        self.times.change(&mut schedule);
        self.when.change(&mut schedule);
        schedule.check()?;
        Ok(schedule)
    }

    async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let outcome = client.schedules().register(self.schedule()?).await?;
        match outcome {
            Registered::Created => record("create", &self.name, client, out).await?,
            Registered::Updated => record("update", &self.name, client, out).await?,
            Registered::Unchanged => {}
        }
        let shown = ScheduleView::from(&client.schedules().get(&self.name).await?);
        out.one(&AddResult { outcome, shown: &shown }, || {
            let what = match outcome {
                Registered::Created => "created",
                Registered::Updated => "updated",
                Registered::Unchanged => "unchanged",
            };
            format!("schedule {} {what}; {}", self.name, shown.next_words())
        })
    }
}

impl ScheduleUpdateArgs {
    async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let job = self.job.read()?;
        let change = |schedule: &mut Schedule| {
            self.when.change(schedule);
            self.times.change(schedule);
            let mut envelope = schedule.job.envelope().clone();
            job.change(&mut envelope, self.task.as_ref())?;
            schedule.job = JobTemplate::new(envelope)?;
            Ok(())
        };
        let report = client.schedules().update(&self.name, change).await?;
        record("update", &self.name, client, out).await?;
        acted(&report, out)
    }
}

fn acted(report: &ScheduleReport, out: Output) -> Result<()> {
    let shown = ScheduleView::from(report);
    out.one(&shown, || format!("schedule {}: {}", report.schedule.name, shown.next_words()))
}

impl ScheduleNamesArgs {
    async fn each<E: Into<anyhow::Error>>(
        &self,
        what: &str,
        client: &Client,
        out: Output,
        verb: impl AsyncFn(&ScheduleName) -> Result<ScheduleReport, E>,
    ) -> Result<()> {
        for name in &self.names {
            let report = verb(name).await.map_err(Into::into)?;
            record(what, name, client, out).await?;
            acted(&report, out)?;
        }
        Ok(())
    }
}

impl ScheduleDeleteArgs {
    async fn run(&self, client: &Client, out: Output) -> Result<()> {
        for name in &self.names {
            match name {
                DeletedSchedule::Ours(name) => self.delete(name, client, out).await?,
                DeletedSchedule::Foreign(key) => {
                    foreign::delete(key, self.confirm.dry_run, client, out).await?;
                }
            }
            let verb = if self.confirm.dry_run { "would be deleted" } else { "deleted" };
            out.one(&serde_json::json!({ "name": name.to_string() }), || {
                format!("schedule {name} {verb}")
            })?;
        }
        Ok(())
    }
}

impl ScheduleDeleteArgs {
    async fn delete(&self, name: &ScheduleName, client: &Client, out: Output) -> Result<()> {
        let exists = if self.confirm.dry_run {
            client.schedules().get(name).await.map(|_| true)?
        } else {
            client.schedules().delete(name).await?
        };
        if !exists {
            return Err(missing(name).into());
        }
        match self.confirm.dry_run {
            true => Ok(()),
            false => record("delete", name, client, out).await,
        }
    }
}

fn missing(name: &ScheduleName) -> CliError {
    CliError::not_found(format!("no schedule {name}")).next("list the schedules: naq schedule list")
}

impl ScheduleNextArgs {
    async fn run(&self, client: &Client, out: Output) -> Result<()> {
        let Some(name) = &self.name else { return Ok(()) };
        let report = client.schedules().get(name).await?;
        let from = self.from.unwrap_or(report.now);
        let ticks = report.schedule.upcoming(&report.progress, from, self.number.into());
        if report.schedule.paused {
            out.note(format_args!(
                "schedule {name} is paused: it makes none of these runs until it is resumed"
            ))?;
        }
        self.print_runs(&report.schedule.time_zone, ticks, out)
    }

    fn run_offline(&self, out: Output) -> Result<()> {
        let (zone, from) = (self.when.zone.clone(), self.from.unwrap_or_else(|| SystemClock.now()));
        let zone = zone.unwrap_or_default();
        // A tick exactly at `from` is included.
        let mut last = from.saturating_sub(std::time::Duration::from_millis(1));
        let mut ticks = Vec::new();
        while ticks.len() < self.number.into() {
            let Some(at) = self.when.after(last, from, &zone) else { break };
            ticks.push(Tick { at, starts_at: at });
            last = at;
        }
        self.print_runs(&zone, ticks, out)
    }

    fn print_runs(
        &self,
        zone: &naq_core::schedule::Zone,
        ticks: Vec<Tick>,
        out: Output,
    ) -> Result<()> {
        let now = SystemClock.now();
        out.list(&ticks.iter().map(|tick| NextRun::new(tick, zone, now)).collect::<Vec<_>>())
    }
}
