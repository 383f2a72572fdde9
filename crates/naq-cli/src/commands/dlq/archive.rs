//! [`Archive`]: a file of dead letters, one JSON object a line. `naq enqueue --file` reads the same lines.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use naq_client::{Client, ClientError, JobReport, JobView};
use naq_core::transport::Stored;
use naq_core::{Envelope, JobId, Payload, QueueName, TaskName};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::text::duration;

/// One line. All fields but `letter` are those of a line of `naq enqueue --file`.
#[derive(Serialize)]
struct ArchiveLine<'a> {
    /// Left out if the line lacks the arguments, so that the job is not enqueued without them by mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a TaskName>,
    queue: &'a QueueName,
    id: &'a JobId,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
    letter: ArchivedLetter<'a>,
}

/// Everything about the dead job, as `naq dlq show -o json` prints it, and its message.
#[derive(Serialize)]
struct ArchivedLetter<'a> {
    #[serde(flatten)]
    job: &'a JobView,
    headers: Vec<(&'a str, &'a str)>,
    /// The body of the message as hexadecimal bytes, if JSON does not have all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_hex: Option<String>,
}

/// A file to which letters are appended.
pub(super) struct Archive {
    file: File,
    path: PathBuf,
}

impl Archive {
    /// Opens the file, or makes one that only its user can read.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path);
        let file = file.with_context(|| format!("cannot open the archive {}", path.display()))?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends the letters. When this returns, they are on the disk.
    pub(super) async fn append(&mut self, letters: &[Stored], client: &Client) -> Result<()> {
        let mut lines = Vec::new();
        for letter in letters {
            let report = report(letter, client).await?;
            write_line(&mut lines, letter, &report)?;
        }
        let written = self.file.write_all(&lines).and_then(|()| self.file.sync_all());
        written.with_context(|| format!("cannot write to the archive {}", self.path.display()))
    }
}

fn write_line(lines: &mut Vec<u8>, letter: &Stored, report: &JobReport) -> Result<()> {
    let job = JobView::from(report);
    let is_blob_gone =
        |job: &Envelope| job.args_blob.is_some() && job.args == Payload::null(job.codec);
    let lacks_args = report.envelope.as_ref().is_none_or(is_blob_gone) || job.args.is_none();
    let hex = || letter.message.body.iter().map(|byte| format!("{byte:02x}")).collect();
    let line = ArchiveLine {
        task: job.task.as_ref().filter(|_| !lacks_args),
        queue: &letter.key.queue,
        id: &letter.key.id,
        args: job.args.as_deref(),
        policy: job.policy.as_deref(),
        tags: &job.tags,
        timeout: job.timeout_ms.map(|ms| duration(Duration::from_millis(ms))),
        letter: ArchivedLetter {
            headers: letter.message.headers().collect(),
            message_hex: lacks_args.then(hex),
            job: &job,
        },
    };
    serde_json::to_writer(&mut *lines, &line)?;
    lines.push(b'\n');
    Ok(())
}

/// The job of the letter. Arguments in a blob, and encrypted or compressed ones, are read.
async fn report(letter: &Stored, client: &Client) -> Result<JobReport> {
    let report = JobReport::resolve(std::slice::from_ref(letter));
    let report = report.context("a message is always a job")?;
    let job = report.envelope.as_ref();
    let is_elsewhere = |job: &Envelope| {
        let is_hidden = job.args.encrypted_with().is_some() || job.args.is_compressed();
        job.args_blob.is_some() || is_hidden
    };
    if !job.is_some_and(is_elsewhere) {
        return Ok(report);
    }
    match client.report(&letter.key).await {
        Ok(whole) if whole.stored.is_same_message(letter) => Ok(whole),
        // The job has another life meanwhile.
        Ok(_) | Err(ClientError::NoJob(_)) => Ok(report),
        Err(err) => Err(err.into()),
    }
}
