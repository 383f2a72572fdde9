//! `naq enqueue`: a job from the command line, with every option that the API has.

mod policy;

use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use naq_core::client::Prepared;
use naq_core::memory::MemoryTransport;
use naq_core::{Client, Codec, JobId, QueueName, TaskName, Timestamp};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::args::parse_codec;
use crate::exit::Problem;
use crate::output::Output;
use crate::text::{parse_duration, parse_duration_or_seconds};

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  naq enqueue email.send --args '{\"to\":\"a@example.com\"}'
  naq enqueue report --queue slow --args @report.json --timeout 5m
  naq enqueue api.call --max-retries 4 --retry-delay 2s --retry-strategy exponential
  naq enqueue api.call --policy exponential:2s,jitter=full --retry-on 'HTTPError|TimeoutError'
  naq enqueue cleanup --delay 10m --id nightly-cleanup

The id of the job goes to stdout. The same --id twice is one job.")]
pub(crate) struct EnqueueArgs {
    /// The task to run, as email.send
    task: TaskName,
    /// The arguments: JSON, @FILE, or - for stdin [default: null]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// The queue
    #[arg(short, long, env = "NAQ_DEFAULT_QUEUE", default_value = "default")]
    queue: QueueName,
    /// The job's id [default: a new one]
    #[arg(long)]
    id: Option<JobId>,
    /// Run it after this time, as 10m
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "at")]
    delay: Option<Duration>,
    /// Run it at this time, as 2026-11-23T12:00:00Z
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// The longest that one attempt may run [default: no limit]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    timeout: Option<Duration>,
    /// Start no attempt after this time [default: none]
    #[arg(long, value_name = "TIME")]
    deadline: Option<Timestamp>,
    /// How long the record of the finished job is kept; 0s for none [default: 1h]
    #[arg(long, env = "NAQ_DEFAULT_RESULT_TTL", value_name = "DURATION", value_parser = parse_duration_or_seconds)]
    record_ttl: Option<Duration>,
    /// A label; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// How the job is written: json or msgpack
    #[arg(long, env = "NAQ_JOB_SERIALIZER", value_name = "CODEC", value_parser = parse_codec, default_value = "json")]
    serializer: Codec,
    #[command(flatten)]
    policy: policy::PolicyArgs,
}

/// A job that is written, and was sent nowhere yet.
#[derive(Debug)]
pub(crate) struct Ready {
    job: Prepared<Value>,
    task: TaskName,
    due_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Enqueued<'a> {
    id: &'a JobId,
    queue: &'a QueueName,
    task: &'a TaskName,
    duplicate: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

impl EnqueueArgs {
    /// Checks all of it together and writes the job, with a client that is connected to nothing.
    pub(crate) fn prepare(&self) -> Result<Ready> {
        let args = self.read_args()?;
        let policy = self.policy.build()?;
        let client = Client::new(Arc::new(MemoryTransport::new())).codec(self.serializer);
        let mut job = match self.serializer {
            Codec::Json => client.enqueue_task(self.task.as_str(), &args)?,
            // MessagePack has no place for JSON as it was written.
            Codec::MsgPack => {
                let value: Value = serde_json::from_str(args.get())?;
                client.enqueue_task(self.task.as_str(), &value)?
            }
        }
        .queue(&self.queue)
        .policy(&policy);
        if let Some(id) = &self.id {
            job = job.id(id);
        }
        if let Some(delay) = self.delay {
            job = job.delay(delay);
        }
        if let Some(at) = self.at {
            job = job.at(at);
        }
        if let Some(timeout) = self.timeout {
            job = job.timeout(timeout);
        }
        if let Some(deadline) = self.deadline {
            job = job.deadline(deadline);
        }
        if let Some(ttl) = self.record_ttl {
            job = job.record_ttl(ttl);
        }
        for tag in &self.tags {
            job = job.tag(tag);
        }
        let due_at = self.at;
        Ok(Ready { job: job.prepare()?, task: self.task.clone(), due_at })
    }

    fn read_args(&self) -> Result<Box<RawValue>> {
        let text = match self.args.as_deref() {
            None => "null".to_owned(),
            Some("-") => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read --args from stdin")?;
                text
            }
            Some(given) => match given.strip_prefix('@') {
                Some(path) => read(Path::new(path))?,
                None => given.to_owned(),
            },
        };
        let raw = serde_json::from_str::<Box<RawValue>>(text.trim());
        raw.map_err(|err| {
            Problem::usage(format!("--args is no JSON: {err}"))
                .next("quote it for the shell, as --args '{\"to\":\"a@example.com\"}', or use --args @FILE")
                .into()
        })
    }
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|err| {
        Problem::usage(format!("cannot read --args from {}: {err}", path.display())).into()
    })
}

/// Sends it.
pub(crate) async fn run(ready: Ready, client: &Client, out: Output) -> Result<()> {
    for handle in client.enqueue_many([ready.job]).await {
        let handle = handle?;
        let enqueued = Enqueued {
            id: handle.id(),
            queue: handle.queue(),
            task: &ready.task,
            duplicate: handle.is_duplicate(),
            due_at: ready.due_at,
        };
        out.one(&enqueued, || handle.id().to_string())?;
        if handle.is_duplicate() {
            out.note(format_args!("job {} is there already: nothing was added", handle.id()))?;
        }
    }
    Ok(())
}
