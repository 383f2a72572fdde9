//! [`JobLine`]: one line of a file, which is a job in JSON.

use std::time::Duration;

use anyhow::{Context, Result};
use naq_client::{Client, Prepared};
use naq_core::flow::{Debounce, read_throttle};
use naq_core::{Codec, JobId, QueueName, RetryPolicy, TaskName, Timestamp};
use serde::de::{self, IgnoredAny};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::commands::enqueue::begin;
use crate::commands::enqueue::coalesce::CoalesceArgs;
use crate::commands::enqueue::options::{Due, OptionArgs};
use crate::text::{parse_duration, parse_time};

/// The fields of a line. The options replace missing fields.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JobLine {
    task: Option<TaskName>,
    args: Option<Box<RawValue>>,
    queue: Option<QueueName>,
    id: Option<JobId>,
    #[serde(default, rename = "in", alias = "delay", deserialize_with = "span")]
    delay: Option<Duration>,
    #[serde(default, deserialize_with = "time")]
    at: Option<Timestamp>,
    #[serde(default, deserialize_with = "time")]
    deadline: Option<Timestamp>,
    #[serde(default, deserialize_with = "span")]
    expires_in: Option<Duration>,
    #[serde(default, deserialize_with = "span")]
    timeout: Option<Duration>,
    #[serde(default, deserialize_with = "span")]
    record_ttl: Option<Duration>,
    tags: Option<Vec<String>>,
    unique: Option<String>,
    unique_across_queues: Option<bool>,
    #[serde(default, deserialize_with = "span")]
    unique_for: Option<Duration>,
    until_started: Option<bool>,
    debounce: Option<String>,
    #[serde(default, deserialize_with = "span")]
    max_wait: Option<Duration>,
    throttle: Option<String>,
    policy: Option<RetryPolicy>,
    /// What `naq dlq trim --archive` writes about the dead job.
    #[serde(default, rename = "letter")]
    _letter: Option<IgnoredAny>,
}

fn span<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    read(d, parse_duration)
}

fn time<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Timestamp>, D::Error> {
    read(d, parse_time)
}

fn read<'de, D: Deserializer<'de>, T>(
    d: D,
    parse: fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| parse(&text)).transpose().map_err(de::Error::custom)
}

impl JobLine {
    /// The options, with the fields of the line in place of theirs.
    fn override_options(&self, mut options: OptionArgs) -> Result<OptionArgs, String> {
        if self.at.is_some() || self.delay.is_some() {
            (options.at, options.delay) = (self.at, self.delay);
        }
        if self.unique.is_some() {
            options.unique.clone_from(&self.unique);
            options.until_started = self.until_started.unwrap_or(false);
            options.unique_for = self.unique_for;
            options.unique_across_queues = self.unique_across_queues.unwrap_or(false);
        }
        if self.debounce.is_some() || self.throttle.is_some() {
            options.coalesce = CoalesceArgs {
                debounce: self.debounce.as_deref().map(Debounce::read).transpose()?,
                max_wait: self.max_wait,
                throttle: self.throttle.as_deref().map(read_throttle).transpose()?,
            };
        }
        options.queue = self.queue.clone().unwrap_or(options.queue);
        options.tags = self.tags.clone().unwrap_or(options.tags);
        options.deadline = self.deadline.or(options.deadline);
        options.expires_in = self.expires_in.or(options.expires_in);
        options.timeout = self.timeout.or(options.timeout);
        options.record_ttl = self.record_ttl.or(options.record_ttl);
        Ok(options)
    }

    /// Refuses combinations that the command line refuses too.
    fn check(&self) -> Result<(), &'static str> {
        let scopes =
            u32::from(self.unique_for.is_some()) + u32::from(self.until_started == Some(true));
        match (self.at.is_some() && self.delay.is_some(), self.unique.is_some(), scopes) {
            (true, ..) => Err("both `in` and `at`: one of them is enough"),
            (_, false, 1..) => Err("`unique_for` and `until_started` need a key: `unique`"),
            (.., 2) => Err("both `unique_for` and `until_started`: one of them is enough"),
            _ => Ok(()),
        }
    }
}

/// The values for fields that a line lacks.
pub(super) struct Defaults {
    pub(super) client: Client,
    pub(super) codec: Codec,
    pub(super) task: Option<TaskName>,
    pub(super) options: OptionArgs,
    pub(super) policy: RetryPolicy,
}

/// The job that a line describes.
pub(super) struct LineJob {
    pub(super) prepared: Prepared<Value>,
    pub(super) task: TaskName,
    pub(super) due: Due,
}

/// The parse error without serde's line number, which is always 1.
fn parse_error(err: &serde_json::Error) -> anyhow::Error {
    let text = err.to_string();
    let what = text.split(" at line 1").next().unwrap_or_default();
    anyhow::anyhow!("not a job: {what} (column {})", err.column())
}

impl Defaults {
    /// Parses a line and encodes its job.
    pub(super) fn read(&self, text: &[u8]) -> Result<LineJob> {
        let line: JobLine = serde_json::from_slice(text).map_err(|err| parse_error(&err))?;
        line.check().map_err(anyhow::Error::msg)?;
        let task = line.task.clone().or_else(|| self.task.clone());
        let task =
            task.context("no task: name it in the line, or on the command line for all lines")?;
        let options = line.override_options(self.options.clone()).map_err(anyhow::Error::msg)?;
        let args = line.args.as_deref().unwrap_or(RawValue::NULL);
        let job = options.apply(begin(&self.client, self.codec, &task, args)?);
        let mut job = job.policy(line.policy.as_ref().unwrap_or(&self.policy));
        if let Some(id) = &line.id {
            job = job.id(id);
        }
        Ok(LineJob { prepared: job.prepare()?, task, due: options.due() })
    }
}
