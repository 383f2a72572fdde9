//! [`OptionArgs`]: a job's options. For the jobs of a file they are the defaults.

use std::time::Duration;

use clap::Args;
use naq_client::Enqueue;
use naq_core::flow::{FollowUp, Unique};
use naq_core::{QueueName, Timestamp};

use super::coalesce::CoalesceArgs;
use super::limits::LimitArgs;
use super::policy::PolicyArgs;
use crate::text::{parse_duration, parse_duration_or_seconds, parse_time};

#[derive(Debug, Clone, Args)]
pub(crate) struct OptionArgs {
    /// The queue
    #[arg(short, long, env = "NAQ_DEFAULT_QUEUE", default_value = "default")]
    pub(super) queue: QueueName,
    /// Run the job after this delay, such as 10m
    #[arg(
        long,
        visible_alias = "in",
        value_name = "DURATION",
        value_parser = parse_duration,
        conflicts_with = "at"
    )]
    pub(super) delay: Option<Duration>,
    /// Run the job at this time: 2026-12-24, '2026-12-24 18:00', 18:00 (the next one), or RFC 3339;
    /// without a zone it is UTC
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) at: Option<Timestamp>,
    /// How long one attempt may run [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// Start no attempt after this time, in the form of --at [default: none]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(super) deadline: Option<Timestamp>,
    /// Start no attempt later than this after its due time [default: none]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) expires_in: Option<Duration>,
    /// How long the broker stores the record of the ended job; 0s for no record [default: 1h]
    #[arg(long, env = "NAQ_DEFAULT_RESULT_TTL", value_name = "DURATION", value_parser = parse_duration_or_seconds)]
    pub(super) record_ttl: Option<Duration>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(super) tags: Vec<String>,
    /// Allow only one job of this key until it has ended
    #[arg(long, value_name = "KEY")]
    pub(super) unique: Option<String>,
    /// With --unique: only one in this time, even if it has ended; rounded up to whole seconds
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "unique")]
    pub(super) unique_for: Option<Duration>,
    /// With --unique: over all queues, and not only in the job's queue
    #[arg(long, requires = "unique")]
    pub(super) unique_across_queues: bool,
    /// With --unique: only one until it starts
    #[arg(long, requires = "unique", conflicts_with = "unique_for")]
    pub(super) until_started: bool,
    #[command(flatten)]
    pub(super) coalesce: CoalesceArgs,
    /// Run the job once this job has completed: an id in the same queue, or QUEUE/ID; may be repeated
    #[arg(long, value_name = "JOB")]
    pub(super) depends_on: Vec<String>,
    /// With --depends-on: run the job once they have all ended, if one of them did not complete
    #[arg(long, requires = "depends_on")]
    pub(super) run_after_failure: bool,
    /// With --depends-on: run the job once they have all ended, if one of them completed
    #[arg(long, requires = "depends_on")]
    pub(super) allow_partial: bool,
    /// Enqueue this follow-up when the job dies: TASK, or TASK@QUEUE for another queue
    #[arg(long, value_name = "TASK", value_parser = str::parse::<FollowUp>)]
    pub(super) on_exhausted: Option<FollowUp>,
    #[command(flatten)]
    pub(super) limits: LimitArgs,
    #[command(flatten)]
    pub(super) policy: PolicyArgs,
}

/// When a job is due, as the user gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    at: Option<Timestamp>,
    delay: Option<Duration>,
}

impl Due {
    /// Whether the job is due at another time than at once.
    pub(super) fn is_given(self) -> bool {
        self.at.is_some() || self.delay.is_some()
    }

    /// The due time of a job that is sent at `now`, if it is in the future.
    pub(super) fn after(self, now: Timestamp) -> Option<Timestamp> {
        self.at.or_else(|| self.delay.map(|delay| now + delay)).filter(|due_at| *due_at > now)
    }
}

impl OptionArgs {
    /// Sets all options but the retry policy, which is built and checked once for all jobs.
    pub(super) fn apply<'a, O>(&self, mut job: Enqueue<'a, O>) -> Enqueue<'a, O> {
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { job = job.$name(value); })*
            };
        }
        set! {
            queue = Some(&self.queue);
            delay = self.delay;
            at = self.at;
            timeout = self.timeout;
            deadline = self.deadline;
            expires_in = self.expires_in;
            record_ttl = self.record_ttl;
            on_exhausted_job = self.on_exhausted.clone();
        }
        job = self.tags.iter().fold(job, |job, tag| job.tag(tag));
        job = self.limits.all().fold(job, Enqueue::limit);
        job = job.depends_on(&self.depends_on);
        if self.run_after_failure {
            job = job.run_after_failure();
        }
        if self.allow_partial {
            job = job.allow_partial_dependencies();
        }
        job = match self.key() {
            Some(unique) => job.unique_by(unique),
            None => job,
        };
        self.coalesce.apply(job)
    }

    fn key(&self) -> Option<Unique> {
        let key = self.unique.clone()?;
        let unique = match (self.unique_for, self.until_started) {
            (Some(time), _) => Unique::for_time(key, time),
            (None, true) => Unique::until_started(key),
            (None, false) => Unique::until_finished(key),
        };
        Some(if self.unique_across_queues { unique.across_queues() } else { unique })
    }

    /// When the job is due, as the user gave it.
    pub(super) fn due(&self) -> Due {
        Due { at: self.at, delay: self.delay }
    }
}
