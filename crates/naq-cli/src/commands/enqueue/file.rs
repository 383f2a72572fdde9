//! [`JobFile`]: jobs from a file, one per line. They are read and sent in chunks, so a file may be
//! larger than memory.

mod line;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use naq_client::{Client, EnqueueError, JobHandle};
use naq_core::{Codec, JobId, QueueName, RetryPolicy, TaskName, Timestamp};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

use self::line::{Defaults, LineJob};
use super::options::OptionArgs;
use super::{EnqueuedJob, now};
use crate::exit::{CliError, ExitCode};
use crate::output::{Format, Output};
use crate::progress_line::ProgressLine;
use crate::text::count;

/// Lines in one chunk.
const AT_ONCE: usize = 1000;

/// An open file of jobs, and the defaults for its lines.
pub(crate) struct JobFile {
    input: Box<dyn BufRead>,
    name: String,
    /// Lines read so far.
    read: u64,
    defaults: Defaults,
}

/// What happened to one line.
struct SentLine {
    line: u64,
    /// The task and due time, if the line could be read.
    asked: Option<(TaskName, Option<Timestamp>)>,
    result: Result<JobHandle<Value>>,
}

/// What happened to one line, as JSON.
#[derive(Serialize)]
struct LineResult<'a> {
    line: u64,
    #[serde(flatten)]
    enqueued: Option<EnqueuedJob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Counts of the results.
#[derive(Default)]
struct LineCounts {
    new: u64,
    duplicates: u64,
    failed: u64,
    /// The first line that failed because the broker could not be reached.
    lost: Option<u64>,
}

impl JobFile {
    /// Opens the file, or stdin for `-`.
    pub(super) fn open(
        path: &Path,
        client: Client,
        codec: Codec,
        task: Option<TaskName>,
        options: OptionArgs,
        policy: RetryPolicy,
    ) -> Result<Self> {
        let stdin = path == Path::new("-");
        let input: Box<dyn BufRead> = if stdin {
            Box::new(std::io::stdin().lock())
        } else {
            let file = File::open(path).map_err(|err| {
                CliError::usage(format!("cannot read --file {}: {err}", path.display()))
            })?;
            Box::new(BufReader::new(file))
        };
        let name = if stdin { "stdin".to_owned() } else { path.display().to_string() };
        let defaults = Defaults { client, codec, task, options, policy };
        Ok(Self { input, name, read: 0, defaults })
    }

    /// Enqueues all lines. A line that fails does not stop the others, and neither does output that
    /// cannot be printed. A broker that cannot be reached does.
    pub(super) async fn send(mut self, client: &Client, out: Output) -> Result<ExitCode> {
        let progress = ProgressLine::new("enqueued");
        let (mut tally, mut answers) = (LineCounts::default(), Vec::new());
        let mut printed = Ok(());
        while tally.lost.is_none() {
            let sent = self.read;
            let lines =
                self.next_chunk().with_context(|| format!("no line after {sent} was sent"))?;
            if lines.is_empty() {
                break;
            }
            for done in send(lines, client, &self.defaults.options.queue).await {
                tally.add(&done);
                progress.step();
                let print = match out.format() {
                    Format::Table => progress.aside(|| done.write(out)),
                    Format::Jsonl => progress.aside(|| out.line(&done.answer())),
                    Format::Json => {
                        answers.push(to_raw_value(&done.answer())?);
                        Ok(())
                    }
                };
                printed = printed.and(print);
            }
        }
        progress.finish();
        if out.format() == Format::Json {
            printed = printed.and(out.one(&answers, String::new));
        }
        out.note(format_args!("{}: {tally}", self.name))?;
        if let Some(line) = tally.lost {
            let read = self.read;
            let what =
                format!("cannot reach the broker since line {line}; no line after {read} was sent");
            let next = "when it is back, send the failed lines and those after them again; a failed \
                        line with the field id as shown is not stored twice";
            return Err(CliError::new(ExitCode::Unreachable, what).next(next).into());
        }
        printed.context("cannot print the results")?;
        Ok(if tally.failed > 0 { ExitCode::Failed } else { ExitCode::Ok })
    }

    /// Reads the next lines that are not empty.
    fn next_chunk(&mut self) -> Result<Vec<(u64, Result<LineJob>)>> {
        let (mut lines, mut text) = (Vec::new(), Vec::new());
        while lines.len() < AT_ONCE {
            text.clear();
            let read = self.input.read_until(b'\n', &mut text);
            if read.with_context(|| format!("cannot read {}", self.name))? == 0 {
                break;
            }
            self.read += 1;
            let text = text.trim_ascii();
            if !text.is_empty() {
                lines.push((self.read, self.defaults.read(text)));
            }
        }
        Ok(lines)
    }
}

/// Enqueues the jobs that could be read, and returns the result of every line in order.
async fn send(
    lines: Vec<(u64, Result<LineJob>)>,
    client: &Client,
    queue: &QueueName,
) -> Vec<SentLine> {
    let (mut jobs, mut asked) = (Vec::new(), Vec::new());
    for (line, job) in lines {
        asked.push(match job {
            Ok(LineJob { prepared, task, due }) => {
                let id = prepared.id().clone();
                jobs.push(prepared);
                (line, Ok((task, due, id)))
            }
            Err(err) => (line, Err(err)),
        });
    }
    let given =
        asked.iter().any(|(_, asked)| asked.as_ref().is_ok_and(|(_, due, _)| due.is_given()));
    let now = now(client, given, queue).await;
    let mut sent = client.enqueue_many(jobs).await.into_iter();
    let done = asked.into_iter().filter_map(|(line, asked)| match asked {
        // `enqueue_many` returns one result per job, in order.
        Ok((task, due, id)) => {
            let result = sent.next()?.map_err(|err| maybe_stored(err, &id));
            Some(SentLine { line, asked: Some((task, due.after(now))), result })
        }
        Err(err) => Some(SentLine { line, asked: None, result: Err(err) }),
    });
    done.collect()
}

/// Without an answer the job may be stored. The same line with this id is then not stored again.
fn maybe_stored(err: EnqueueError, id: &JobId) -> anyhow::Error {
    match &err {
        EnqueueError::Transport(cause) if cause.is_transient() => {
            anyhow::Error::from(err).context(format!("it may be stored, with the id {id}"))
        }
        _ => err.into(),
    }
}

impl SentLine {
    fn answer(&self) -> LineResult<'_> {
        let enqueued = self.result.as_ref().ok().zip(self.asked.as_ref());
        LineResult {
            line: self.line,
            enqueued: enqueued.map(|(job, (task, due_at))| EnqueuedJob::new(job, task, *due_at)),
            error: self.result.as_ref().err().map(|err| format!("{err:#}")),
        }
    }

    /// Prints the id to stdout, or the error to stderr.
    fn write(&self, out: Output) -> Result<()> {
        match &self.result {
            Ok(handle) => out.raw(handle.id().as_str()),
            Err(err) => out.note(format_args!("line {}: {err:#}", self.line)),
        }
    }
}

impl LineCounts {
    fn add(&mut self, done: &SentLine) {
        match &done.result {
            Ok(handle) if handle.is_duplicate() => self.duplicates += 1,
            Ok(_) => self.new += 1,
            Err(err) => {
                self.failed += 1;
                if let Some(EnqueueError::Transport(err)) = err.downcast_ref()
                    && err.is_transient()
                {
                    self.lost.get_or_insert(done.line);
                }
            }
        }
    }
}

impl fmt::Display for LineCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} enqueued", count(self.new, "job"))?;
        if self.duplicates > 0 {
            write!(f, ", {} existed already", self.duplicates)?;
        }
        if self.failed > 0 {
            write!(f, ", {} failed", self.failed)?;
        }
        Ok(())
    }
}

impl fmt::Debug for JobFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobFile").field("name", &self.name).finish_non_exhaustive()
    }
}
