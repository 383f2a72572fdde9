//! The options that define a schedule.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use naq_client::ScheduleError;
use naq_core::schedule::{CatchUp, Cron, Overlap, Schedule, ScheduleFault, When, Zone};
use naq_core::{
    Clock, Codec, Envelope, JobId, Payload, QueueName, RetryPolicy, SystemClock, TaskName,
    Timestamp,
};

use crate::commands::enqueue::{LimitArgs, PolicyArgs, read_args};
use crate::text::{parse_duration, parse_duration_or_seconds, parse_time};

/// When the schedule runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Schedule")]
pub(crate) struct WhenArgs {
    /// When it runs, such as '30 2 * * *' or @hourly
    #[arg(long, value_name = "EXPRESSION", conflicts_with = "every")]
    pub(super) cron: Option<Cron>,
    /// How often it runs, counted from its start; at least 200ms
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) every: Option<Duration>,
    /// The time zone of --cron, such as Europe/Berlin [default: UTC]
    #[arg(long = "tz", visible_alias = "time-zone", value_name = "ZONE")]
    pub(super) zone: Option<Zone>,
}

/// The change of a field: `none` removes its value, other text sets it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FieldChange<T> {
    Remove,
    Set(T),
}

impl<T> FieldChange<T> {
    fn parse(text: &str, parse: fn(&str) -> Result<T, String>) -> Result<Self, String> {
        if text == "none" { Ok(Self::Remove) } else { parse(text).map(Self::Set) }
    }
}

impl<T: Clone> FieldChange<T> {
    fn get(&self) -> Option<T> {
        match self {
            Self::Remove => None,
            Self::Set(value) => Some(value.clone()),
        }
    }
}

fn time(text: &str) -> Result<FieldChange<Timestamp>, String> {
    FieldChange::parse(text, parse_time)
}

fn span(text: &str) -> Result<FieldChange<Duration>, String> {
    FieldChange::parse(text, parse_duration)
}

fn number(text: &str) -> Result<FieldChange<u64>, String> {
    FieldChange::parse(text, |text| u64::from_str(text).map_err(|err| err.to_string()))
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Schedule")]
pub(crate) struct TimeArgs {
    /// Make no run before this time; with --every, the first run is at this time
    #[arg(long, value_name = "TIME", value_parser = time)]
    start: Option<FieldChange<Timestamp>>,
    /// Make no run after this time [default: none]
    #[arg(long, value_name = "TIME", value_parser = time)]
    end: Option<FieldChange<Timestamp>>,
    /// Make this many runs in total [default: no limit]
    #[arg(long, value_name = "N", value_parser = number)]
    count: Option<FieldChange<u64>>,
    /// Start each run up to this much later; name and time determine how much [default: none]
    #[arg(id = "late", long = "jitter", value_name = "DURATION", value_parser = span)]
    jitter: Option<FieldChange<Duration>>,
    /// After an outage: skip the missed runs, make the last of them, or all [default: last]
    #[arg(long, value_name = "skip|last|all")]
    catch_up: Option<CatchUp>,
    /// If the previous run has not ended: allow another, skip it, or queue one [default: allow]
    #[arg(long, value_name = "allow|skip|queue")]
    overlap: Option<Overlap>,
    /// A run expires if it has not started this long after its time [default: none]
    #[arg(long, value_name = "DURATION", value_parser = span)]
    start_within: Option<FieldChange<Duration>>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Job")]
pub(crate) struct JobArgs {
    /// The arguments: JSON, @FILE, or - for stdin [default: null]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// The queue [default: default]
    #[arg(short, long, env = "NAQ_DEFAULT_QUEUE")]
    queue: Option<QueueName>,
    /// How long one attempt may run [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// How long the broker stores the record of an ended run [default: 1h]
    #[arg(long, env = "NAQ_DEFAULT_RESULT_TTL", value_name = "DURATION", value_parser = parse_duration_or_seconds)]
    record_ttl: Option<Duration>,
    /// A label; may be repeated; every run also has the label schedule:NAME
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    policy: PolicyArgs,
}

/// The options of the job, and its arguments, read from where the user put them.
#[derive(Debug)]
pub(super) struct JobInput<'a> {
    given: &'a JobArgs,
    args: Option<Payload>,
}

impl WhenArgs {
    /// `--cron` or `--every`, if one is given.
    pub(super) fn when(&self) -> Option<When> {
        let cron = self.cron.clone().map(When::Cron);
        cron.or(self.every.map(When::Every))
    }

    pub(super) fn change(&self, schedule: &mut Schedule) {
        if let Some(when) = self.when() {
            schedule.when = when;
        }
        if let Some(zone) = &self.zone {
            schedule.time_zone = zone.clone();
        }
    }

    /// The tick after `last`, if `--every` counts from `from`.
    pub(super) fn after(&self, last: Timestamp, from: Timestamp, zone: &Zone) -> Option<Timestamp> {
        match (&self.cron, self.every) {
            (Some(cron), _) => cron.next_after(last, zone),
            (None, Some(every)) if last < from => Some(from).filter(|_| !every.is_zero()),
            (None, Some(every)) => Some(last + every).filter(|_| !every.is_zero()),
            (None, None) => None,
        }
    }
}

impl TimeArgs {
    pub(super) fn change(&self, schedule: &mut Schedule) {
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { schedule.$name = value; })*
            };
        }
        set! {
            start = self.start.as_ref().map(FieldChange::get);
            end = self.end.as_ref().map(FieldChange::get);
            max_runs = self.count.as_ref().map(FieldChange::get);
            jitter = self.jitter.as_ref().map(|jitter| jitter.get().unwrap_or_default());
            catch_up = self.catch_up;
            overlap = self.overlap;
            start_within = self.start_within.as_ref().map(FieldChange::get);
        }
    }
}

impl JobArgs {
    /// Checks the options by themselves. Does not read standard input.
    pub(super) fn check(&self) -> Result<()> {
        self.policy.change(RetryPolicy::default()).map(drop)
    }

    /// Reads the job's arguments, from the command line, a file or stdin.
    pub(super) fn read(&self) -> Result<JobInput<'_>> {
        let args = self.args.as_deref().map(|given| read_args(Some(given))).transpose()?;
        let args = args.map(|args| Payload::encode(Codec::Json, &args)).transpose()?;
        Ok(JobInput { given: self, args })
    }

    /// A new job of this task.
    pub(super) fn new_job(&self, task: &TaskName) -> Result<Envelope> {
        let (queue, args) = (QueueName::default(), Payload::null(Codec::Json));
        let mut job = Envelope::new(queue, JobId::random(), task.clone(), args, SystemClock.now());
        self.read()?.change(&mut job, None)?;
        Ok(job)
    }
}

impl JobInput<'_> {
    /// Sets the given options in `job`.
    pub(super) fn change(
        &self,
        job: &mut Envelope,
        task: Option<&TaskName>,
    ) -> Result<(), ScheduleError> {
        let given = self.given;
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { job.$name = value; })*
            };
        }
        set! {
            task = task.cloned();
            args = self.args.clone();
            queue = given.queue.clone();
            timeout = given.timeout.map(Some);
            record_ttl = given.record_ttl;
            tags = (!given.tags.is_empty()).then(|| given.tags.clone());
            limits = Some(given.limits.all().collect::<Vec<_>>()).filter(|all| !all.is_empty());
        }
        let policy = given.policy.change(job.policy.clone());
        let policy = policy.map_err(|err| ScheduleFault::Option(err.to_string()))?;
        if policy != job.policy {
            job.set_policy(policy);
        }
        Ok(())
    }
}
