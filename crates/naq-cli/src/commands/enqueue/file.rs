//! Jobs from a file, one a line: read, sent and answered in pieces, however many they are.

mod line;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use naq_client::{Client, EnqueueError, JobHandle};
use naq_core::{Codec, RetryPolicy, TaskName, Timestamp};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::to_raw_value;

use self::line::{Defaults, LineJob};
use super::options::OptionArgs;
use super::{EnqueuedJob, writer};
use crate::exit::{CliError, ExitCode};
use crate::output::{Format, Output};
use crate::progress_line::ProgressLine;
use crate::text::count;

/// JobFile that are sent at once.
const AT_ONCE: usize = 1000;

/// The lines of a file, and what holds for all of them.
pub(crate) struct JobFile {
    input: Box<dyn BufRead>,
    name: String,
    /// How many were read.
    read: u64,
    defaults: Defaults,
}

/// What became of a line.
struct SentLine {
    line: u64,
    /// What was asked for, if it could be read.
    asked: Option<(TaskName, Option<Timestamp>)>,
    result: Result<JobHandle<Value>>,
}

/// The same as JSON.
#[derive(Serialize)]
struct LineResult<'a> {
    line: u64,
    #[serde(flatten)]
    enqueued: Option<EnqueuedJob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// How many came to what.
#[derive(Default)]
struct LineCounts {
    new: u64,
    duplicates: u64,
    failed: u64,
    /// The first line at which the broker was gone.
    lost: Option<u64>,
}

impl JobFile {
    /// Opens the file, or stdin for `-`.
    pub(super) fn open(
        path: &Path,
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
        let defaults = Defaults { client: writer(codec), codec, task, options, policy };
        Ok(Self { input, name, read: 0, defaults })
    }

    /// Sends them all. A line that fails costs the others nothing; a broker that is gone ends it.
    pub(super) async fn send(mut self, client: &Client, out: Output) -> Result<ExitCode> {
        let progress = ProgressLine::new("enqueued");
        let (mut tally, mut answers) = (LineCounts::default(), Vec::new());
        while tally.lost.is_none() {
            let lines = self.some()?;
            if lines.is_empty() {
                break;
            }
            for done in send(lines, client).await {
                tally.add(&done);
                progress.step();
                match out.format() {
                    Format::Table => progress.aside(|| done.write(out))?,
                    Format::Jsonl => progress.aside(|| out.line(&done.answer()))?,
                    Format::Json => answers.push(to_raw_value(&done.answer())?),
                }
            }
        }
        progress.finish();
        if out.format() == Format::Json {
            out.one(&answers, String::new)?;
        }
        out.note(format_args!("{}: {tally}", self.name))?;
        if let Some(line) = tally.lost {
            let read = self.read;
            let what =
                format!("the broker was lost at line {line}; nothing after line {read} was sent");
            let next = "when it is back, send the lines that failed and those after them again";
            return Err(CliError::new(ExitCode::Unreachable, what).next(next).into());
        }
        Ok(if tally.failed > 0 { ExitCode::Failed } else { ExitCode::Ok })
    }

    /// The next lines with something on them.
    fn some(&mut self) -> Result<Vec<(u64, Result<LineJob>)>> {
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

/// Sends what could be read, and answers for every line in its place.
async fn send(lines: Vec<(u64, Result<LineJob>)>, client: &Client) -> Vec<SentLine> {
    let (mut jobs, mut asked) = (Vec::new(), Vec::new());
    for (line, job) in lines {
        asked.push(match job {
            Ok(LineJob { prepared, task, due_at }) => {
                jobs.push(prepared);
                (line, Ok((task, due_at)))
            }
            Err(err) => (line, Err(err)),
        });
    }
    let mut sent = client.enqueue_many(jobs).await.into_iter();
    let done = asked.into_iter().filter_map(|(line, asked)| match asked {
        // One answer a job.
        Ok(asked) => {
            let result = sent.next()?.map_err(anyhow::Error::from);
            Some(SentLine { line, asked: Some(asked), result })
        }
        Err(err) => Some(SentLine { line, asked: None, result: Err(err) }),
    });
    done.collect()
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

    /// The id on stdout, or the error on stderr.
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
            write!(f, ", {} there already", self.duplicates)?;
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
