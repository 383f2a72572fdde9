//! [`JobOrder`]: a job as a caller writes it, with every option of an enqueue by its name.

use std::time::Duration;

use naq_client::{Client, Enqueue, Prepared};
use naq_core::flow::{Debounce, FollowUp, Limit, Unique, read_throttle};
use naq_core::names::{JobId, JobKey, QueueName, TaskName};
use naq_core::retry::{Delay, Jitter, PolicyError, RetryPolicy, Strategy};
use naq_core::{ErrorKind, Timestamp};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::query::maybe_span;
use crate::guard::Access;
use crate::problem::Problem;

/// A job as a caller writes it. The queue is in the path.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JobOrder {
    pub(crate) task: TaskName,
    args: Option<Box<RawValue>>,
    pub(crate) id: Option<JobId>,
    #[serde(default, rename = "in", alias = "delay", deserialize_with = "maybe_span")]
    delay: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_text")]
    at: Option<String>,
    #[serde(default, deserialize_with = "maybe_text")]
    deadline: Option<String>,
    #[serde(default, deserialize_with = "maybe_span")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_span")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_span")]
    record_ttl: Option<Duration>,
    #[serde(default)]
    tags: Vec<String>,
    unique: Option<String>,
    #[serde(default, deserialize_with = "maybe_span")]
    unique_for: Option<Duration>,
    #[serde(default)]
    until_started: bool,
    #[serde(default)]
    unique_across_queues: bool,
    debounce: Option<String>,
    #[serde(default, deserialize_with = "maybe_span")]
    max_wait: Option<Duration>,
    throttle: Option<String>,
    #[serde(default)]
    depends_on: Vec<String>,
    #[serde(default)]
    run_after_failure: bool,
    #[serde(default)]
    allow_partial: bool,
    #[serde(default, deserialize_with = "follow_up")]
    on_exhausted: Option<FollowUp>,
    #[serde(default)]
    concurrency_key: Vec<String>,
    #[serde(default)]
    rate_limit: Vec<String>,
    policy: Option<RetryPolicy>,
    max_retries: Option<u32>,
    retry_delay: Option<Delays>,
    retry_strategy: Option<Strategy>,
    #[serde(default, deserialize_with = "maybe_span")]
    retry_increment: Option<Duration>,
    retry_multiplier: Option<f64>,
    #[serde(default, deserialize_with = "maybe_span")]
    max_delay: Option<Duration>,
    jitter: Option<Jitter>,
    retry_on: Option<Vec<ErrorKind>>,
    ignore_on: Option<Vec<ErrorKind>>,
    #[serde(default, deserialize_with = "maybe_span")]
    retry_for: Option<Duration>,
    max_crashes: Option<u32>,
}

/// One delay, or a list with one per retry.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Delays {
    Text(String),
    List(Vec<String>),
}

impl Delays {
    fn read(&self) -> Result<Delay, PolicyError> {
        match self {
            Self::Text(text) => text.parse(),
            Self::List(list) => match list.as_slice() {
                [one] => one.parse(),
                list => list.join("/").parse(),
            },
        }
    }
}

fn maybe_text<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    Option::<String>::deserialize(d)
}

fn follow_up<'de, D: Deserializer<'de>>(d: D) -> Result<Option<FollowUp>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Whole(FollowUp),
    }
    match Option::<Form>::deserialize(d)? {
        None => Ok(None),
        Some(Form::Text(text)) => text.parse().map(Some).map_err(D::Error::custom),
        Some(Form::Whole(follow_up)) => Ok(Some(follow_up)),
    }
}

/// The error of serde without its line number, which is always 1.
fn not_a_job(err: &serde_json::Error) -> Problem {
    let text = err.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    Problem::bad_job(format!("not a job: {what} (column {})", err.column()))
}

fn read_time(name: &str, text: &str, now: Timestamp) -> Result<Timestamp, Problem> {
    Timestamp::read(text, now).map_err(|err| Problem::bad_job(format!("{name}: {err}")))
}

impl JobOrder {
    /// Reads one job.
    ///
    /// # Errors
    /// The text is not a job. The problem says where and why.
    pub(crate) fn read(text: &[u8]) -> Result<Self, Problem> {
        let order: Self = serde_json::from_slice(text).map_err(|err| not_a_job(&err))?;
        order.check().map_err(Problem::bad_job)?;
        Ok(order)
    }

    pub(crate) fn is_debounced(&self) -> bool {
        self.debounce.is_some()
    }

    /// Refuses combinations that the command line refuses too.
    fn check(&self) -> Result<(), &'static str> {
        if self.at.is_some() && self.delay.is_some() {
            return Err("both `in` and `at`: one of them is enough");
        }
        if self.unique_for.is_some() && self.until_started {
            return Err("both `unique_for` and `until_started`: one of them is enough");
        }
        let needs_key =
            self.unique_for.is_some() || self.until_started || self.unique_across_queues;
        if needs_key && self.unique.is_none() {
            return Err(
                "`unique_for`, `until_started` and `unique_across_queues` need a key: `unique`",
            );
        }
        if self.unique.is_some() && (self.debounce.is_some() || self.throttle.is_some()) {
            return Err("`debounce` and `throttle` have a key of their own: leave `unique` out");
        }
        if (self.run_after_failure || self.allow_partial) && self.depends_on.is_empty() {
            return Err("`run_after_failure` and `allow_partial` need jobs: `depends_on`");
        }
        Ok(())
    }

    /// The arguments as JSON; `null` by default.
    pub(crate) fn args(&self) -> &RawValue {
        self.args.as_deref().unwrap_or(RawValue::NULL)
    }

    /// Checks all that the job names against the caller's key: its task, the queues of the jobs that it
    /// waits for, its follow-up, and a unique key across queues.
    ///
    /// # Errors
    /// The right that is missing.
    pub(crate) fn check_rights(&self, access: &Access) -> Result<(), Problem> {
        access.check_task(&self.task)?;
        for job in self.depends_on.iter().filter(|job| job.contains('/')) {
            let key: JobKey =
                job.parse().map_err(|err| Problem::bad_job(format!("depends_on: {err}")))?;
            access.check_queue(&key.queue)?;
        }
        if let Some(follow_up) = &self.on_exhausted {
            access.check_task(&follow_up.task)?;
            follow_up.queue.as_ref().map_or(Ok(()), |queue| access.check_queue(queue))?;
        }
        if self.unique_across_queues && !access.has_every_queue() {
            return Err(Problem::forbidden("`unique_across_queues` needs a key with queues=*"));
        }
        Ok(())
    }

    /// The job, checked and encoded.
    ///
    /// # Errors
    /// The option that is out of range.
    pub(crate) fn prepare(
        &self,
        client: &Client,
        queue: &QueueName,
        id: Option<&JobId>,
        traceparent: Option<&str>,
    ) -> Result<Prepared<Value>, Problem> {
        Ok(self.build(client, queue, id, traceparent)?.prepare()?)
    }

    /// The job with all its options, not checked as a whole yet.
    ///
    /// # Errors
    /// The option that cannot be read.
    pub(crate) fn build<'a>(
        &self,
        client: &'a Client,
        queue: &QueueName,
        id: Option<&JobId>,
        traceparent: Option<&str>,
    ) -> Result<Enqueue<'a, Value>, Problem> {
        let task = self.task.as_str();
        let mut job = client
            .enqueue_task(task, &self.args())
            .map_err(|err| Problem::bad_job(err.to_string()))?
            .queue(queue)
            .policy(&self.policy()?);
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { job = job.$name(value); })*
            };
        }
        let now = client.now();
        let time = |name: &str, text: &Option<String>| {
            text.as_deref().map(|text| read_time(name, text, now)).transpose()
        };
        set! {
            id = id;
            delay = self.delay;
            at = time("at", &self.at)?;
            deadline = time("deadline", &self.deadline)?;
            expires_in = self.expires_in;
            timeout = self.timeout;
            record_ttl = self.record_ttl;
            on_exhausted_job = self.on_exhausted.clone();
            traceparent = traceparent;
        }
        if let Some(unique) = self.key() {
            job = job.unique_by(unique);
        }
        if let Some(text) = &self.debounce {
            let Debounce { key, wait, .. } = Debounce::read(text).map_err(Problem::bad_job)?;
            job = job.debounce(key, wait);
        }
        if let Some(longest) = self.max_wait {
            job = job.max_wait(longest);
        }
        if let Some(text) = &self.throttle {
            let (key, every) = read_throttle(text).map_err(Problem::bad_job)?;
            job = job.throttle(key, every);
        }
        job = self.tags.iter().fold(job, |job, tag| job.tag(tag));
        job = self.limits()?.into_iter().fold(job, Enqueue::limit);
        job = job.depends_on(&self.depends_on);
        if self.run_after_failure {
            job = job.run_after_failure();
        }
        if self.allow_partial {
            job = job.allow_partial_dependencies();
        }
        Ok(job)
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

    fn limits(&self) -> Result<Vec<Limit>, Problem> {
        let concurrency = self.concurrency_key.iter().map(|text| Limit::read_concurrency(text));
        let rates = self.rate_limit.iter().map(|text| Limit::read_rate(text));
        concurrency.chain(rates).collect::<Result<_, _>>().map_err(Problem::bad_job)
    }

    fn policy(&self) -> Result<RetryPolicy, Problem> {
        let invalid = |err: PolicyError| Problem::bad_job(format!("retry policy: {err}"));
        let mut policy = self.policy.clone().unwrap_or_default().to_builder();
        macro_rules! set {
            ($($name:ident = $value:expr;)*) => {
                $(if let Some(value) = $value { policy = policy.$name(value); })*
            };
        }
        set! {
            max_retries = self.max_retries;
            delay = self.retry_delay.as_ref().map(Delays::read).transpose().map_err(invalid)?;
            strategy = self.retry_strategy;
            increment = self.retry_increment;
            multiplier = self.retry_multiplier;
            max_delay = self.max_delay;
            jitter = self.jitter;
            retry_on = self.retry_on.clone();
            ignore_on = self.ignore_on.clone();
            retry_for = self.retry_for;
            max_crashes = self.max_crashes;
        }
        policy.try_build().map_err(invalid)
    }
}
