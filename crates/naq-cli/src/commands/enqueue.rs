//! `naq enqueue`: jobs from the command line or from a file, with every option of the API.

mod coalesce;
mod codec;
mod file;
mod limits;
mod options;
mod policy;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use naq_client::{
    Client, ClientError, Enqueue, EnqueueError, JobHandle, JobReport, LargeArgs, Prepared,
};
use naq_core::transport::JobKey;
use naq_core::{Codec, JobId, JobState, QueueName, TaskName, Timestamp};
use naq_memory::MemoryTransport;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use self::codec::parse_codec;
use self::file::JobFile;
pub(crate) use self::limits::LimitArgs;
use self::options::{Due, OptionArgs};
pub(crate) use self::policy::PolicyArgs;
use super::wait::wait;
use crate::exit::{CliError, ExitCode};
use crate::large_args::LargeArgsArg;
use crate::output::Output;
use crate::text::{about, parse_duration};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  naq enqueue email.send --args '{\"to\":\"a@example.com\"}'
  naq enqueue report --queue slow --args @report.json --timeout 5m
  naq enqueue api.call --max-retries 4 --retry-delay 2s --retry-strategy exponential
  naq enqueue report --at '2026-12-24 18:00'            in UTC; add +01:00 for another zone
  naq enqueue cleanup --in 10m --id nightly-cleanup
  naq enqueue order.ship --args 2317 --unique order-2317
  naq enqueue index --args 7 --debounce doc-7=5s --max-wait 1m
  naq enqueue load --depends-on extract --depends-on mail/check-7
  naq enqueue report --concurrency-key tenant:7=3 --rate-limit api=100/1m
  naq enqueue report --args 7 --wait --wait-timeout 5m  prints the result
  naq enqueue --file jobs.ndjson                        one job a line; - for stdin

The id of the job goes to stdout. A second enqueue with the same --id adds no job, for as long as
the record or the dead letter of the first one is kept. While a job holds a --unique key, another
enqueue with this key adds no job and prints the holder's id.

A line of --file is a job in JSON. A field that it lacks has the value of the option:
  {\"task\":\"email.send\",\"args\":{\"to\":\"a@example.com\"},\"queue\":\"mail\",\"unique\":\"a\"}
The fields are named like the options: task, args, queue, id, in, at, deadline, expires_in,
timeout, record_ttl, tags, unique, unique_across_queues, unique_for, until_started, debounce,
max_wait, throttle, policy. If a line cannot be enqueued, the command still enqueues the others, and
the exit code is 1.")]
pub(crate) struct EnqueueArgs {
    /// The task to run, such as email.send
    #[arg(required_unless_present = "file")]
    task: Option<TaskName>,
    /// The arguments: JSON, @FILE, or - for stdin [default: null]
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    args: Option<String>,
    /// File with jobs, one JSON object per line; - for stdin
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["args", "id"])]
    file: Option<PathBuf>,
    /// The job's id [default: a new one]
    #[arg(long)]
    id: Option<JobId>,
    /// The format of the job's message: json or msgpack
    #[arg(long, env = "NAQ_JOB_SERIALIZER", value_name = "CODEC", value_parser = parse_codec, default_value = "json")]
    serializer: Codec,
    #[command(flatten)]
    large_args: LargeArgsArg,
    /// Wait until the job ends; its result goes to stdout, its id to stderr; the exit code is 1 if it
    /// does not complete
    #[arg(long, conflicts_with = "file")]
    wait: bool,
    /// With --wait: stop waiting after this time [default: never]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "wait")]
    wait_timeout: Option<Duration>,
    #[command(flatten)]
    options: OptionArgs,
}

/// What to enqueue, and what to do with large arguments.
#[derive(Debug)]
pub(crate) struct EnqueueInput {
    jobs: Jobs,
    large_args: LargeArgs,
}

#[derive(Debug)]
enum Jobs {
    One(Box<PreparedJob>),
    Many(Box<JobFile>),
}

/// A job that is encoded and checked, but not sent yet.
#[derive(Debug)]
pub(crate) struct PreparedJob {
    prepared: Prepared<Value>,
    task: TaskName,
    queue: QueueName,
    due: Due,
    debounced: bool,
    /// Whether to wait for its end, and for how long.
    wait: Option<Option<Duration>>,
}

/// The result of an enqueue.
#[derive(Debug, Serialize)]
pub(crate) struct EnqueuedJob<'a> {
    id: &'a JobId,
    queue: &'a QueueName,
    task: &'a TaskName,
    duplicate: bool,
    /// The holder of the unique key, if the enqueue added no job because of the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_by: Option<&'a JobKey>,
    #[serde(skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
}

impl<'a> EnqueuedJob<'a> {
    pub(crate) fn new(
        handle: &'a JobHandle<Value>,
        task: &'a TaskName,
        due_at: Option<Timestamp>,
    ) -> Self {
        let duplicate = handle.is_duplicate();
        Self {
            id: handle.id(),
            queue: handle.queue(),
            task,
            duplicate,
            held_by: handle.held_by(),
            due_at: due_at.filter(|_| !duplicate),
        }
    }
}

/// A client without a broker, which only encodes jobs.
fn offline_client(codec: Codec, large_args: LargeArgs) -> Client {
    let client = Client::new(Arc::new(MemoryTransport::new())).codec(codec);
    client.large_args(large_args).only_prepares()
}

/// The time by which due times are shown: the broker's, if there is a due time to show.
async fn now(client: &Client, is_due_later: bool, queue: &QueueName) -> Timestamp {
    if is_due_later {
        client.transport().compare_clocks(queue).await;
    }
    client.now()
}

/// Starts to build a job. With JSON, the arguments keep the spelling that the user gave them.
fn begin<'a>(
    client: &'a Client,
    codec: Codec,
    task: &TaskName,
    args: &RawValue,
) -> Result<Enqueue<'a, Value>> {
    Ok(match codec {
        Codec::Json => client.enqueue_task(task.as_str(), &args)?,
        // MessagePack cannot keep the JSON text, only its value.
        Codec::MsgPack => {
            let value: Value = serde_json::from_str(args.get())?;
            client.enqueue_task(task.as_str(), &value)?
        }
    })
}

impl EnqueueArgs {
    /// Checks the arguments, and encodes the job or opens the file. Connects to nothing.
    pub(crate) fn prepare(self) -> Result<EnqueueInput> {
        let policy = self.options.policy.build()?;
        let large_args = self.large_args.into();
        let client = offline_client(self.serializer, large_args);
        if let Some(path) = &self.file {
            let codec = self.serializer;
            let lines = JobFile::open(path, client, codec, self.task, self.options, policy)?;
            return Ok(EnqueueInput { jobs: Jobs::Many(Box::new(lines)), large_args });
        }
        let Some(task) = self.task else {
            return Err(CliError::usage("neither a task nor --file is given").into());
        };
        let args = read_args(self.args.as_deref())?;
        let mut job = self.options.apply(begin(&client, self.serializer, &task, &args)?);
        job = job.policy(&policy);
        if let Some(id) = &self.id {
            job = job.id(id);
        }
        let due = self.options.due();
        let debounced = self.options.coalesce.debounce.is_some();
        let wait = self.wait.then_some(self.wait_timeout);
        let job = PreparedJob {
            prepared: job.prepare()?,
            task,
            queue: self.options.queue,
            due,
            debounced,
            wait,
        };
        Ok(EnqueueInput { jobs: Jobs::One(Box::new(job)), large_args })
    }
}

pub(crate) fn read_args(given: Option<&str>) -> Result<Box<RawValue>> {
    let text = match given {
        None => "null".to_owned(),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("cannot read --args from stdin")?;
            text
        }
        Some(given) => match given.strip_prefix('@') {
            Some(path) => read(Path::new(path))?,
            None => given.to_owned(),
        },
    };
    let raw = serde_json::from_str::<Box<RawValue>>(text.trim());
    raw.map_err(|err| {
        CliError::usage(format!("--args is not JSON: {err}"))
            .next(
                "quote it for the shell: --args '{\"to\":\"a@example.com\"}'; or use --args @FILE",
            )
            .into()
    })
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|err| {
        CliError::usage(format!("cannot read --args from {}: {err}", path.display())).into()
    })
}

/// Why no job was added: the one that has this id, in its state. A job without a record may have ended
/// and left nothing.
async fn why_refused(client: &Client, handle: &JobHandle<Value>) -> String {
    let id = handle.id();
    match client.job(id, Some(handle.queue())).await {
        Ok(report) => why_taken(&report, client.now()),
        Err(ClientError::NoJob(_)) => format!(
            "no job was added: the broker stored a job {id} in the last two minutes, which has \
             ended and left nothing; use another id, or repeat this later"
        ),
        Err(_) => format!("no job was added: job {id} exists already"),
    }
}

/// The job that has the id: alive, or ended and not forgotten yet.
fn why_taken(report: &JobReport, now: Timestamp) -> String {
    let (id, state) = (&report.key.id, report.state);
    let what = format!("no job was added: job {id} exists already, and is {state}");
    match (state, &report.envelope, report.finished_at) {
        (JobState::Dead, ..) => format!(
            "{what}; to run it again: naq dlq requeue {id}; to free its id: naq dlq purge {id}"
        ),
        (_, Some(job), Some(ended)) if state.is_final() => {
            let until = ended + job.record_ttl;
            let left = about(until.since(now));
            format!("{what}; its record is kept until {until} ({left}): use another id until then")
        }
        _ => what,
    }
}

/// Without an answer the job may be stored. With the same id it is not stored again.
fn maybe_stored(err: EnqueueError, id: &JobId) -> anyhow::Error {
    match &err {
        EnqueueError::Transport(cause) if cause.is_transient() => {
            let next = format!(
                "repeat the command with --id {id}, which stores the job at most once; to check the \
                 broker: naq doctor"
            );
            CliError::new(ExitCode::Unreachable, err.to_string()).next(next).into()
        }
        _ => err.into(),
    }
}

/// Enqueues the job, or the jobs of the file.
pub(crate) async fn run(ready: EnqueueInput, client: &Client, out: Output) -> Result<ExitCode> {
    let client = &client.clone().large_args(ready.large_args);
    let job = match ready.jobs {
        Jobs::Many(lines) => return lines.send(client, out).await,
        Jobs::One(job) => *job,
    };
    let id = job.prepared.id().clone();
    let now = now(client, job.due.is_given(), &job.queue).await;
    for handle in client.enqueue_many([job.prepared]).await {
        let handle = handle.map_err(|err| maybe_stored(err, &id))?;
        let enqueued = EnqueuedJob::new(&handle, &job.task, job.due.after(now));
        match job.wait {
            Some(_) => out.note(format_args!("job {}", handle.id()))?,
            None => out.one(&enqueued, || handle.id().to_string())?,
        }
        if let Some(holder) = handle.held_by() {
            out.note(match job.debounced {
                true => format!("job {holder} waits; it has these arguments now"),
                false => format!("no job was added: job {holder} holds this unique key"),
            })?;
        } else if handle.is_duplicate() {
            out.note(why_refused(client, &handle).await)?;
        }
        if let Some(timeout) = job.wait {
            let key = JobKey::new(handle.queue().clone(), handle.id().clone());
            return wait(&key, timeout, client, out).await;
        }
    }
    Ok(ExitCode::Ok)
}
