//! One process an attempt.

use std::io;
use std::time::Duration;

use naq_core::{ErrorKind, Failure};
use naq_worker::Context;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

use super::CommandLine;
use super::exit::failure_of;
use super::process_group::{Pipes, ProcessGroup};
use super::stderr_log::log_stderr;
use crate::answers::{Ended, LineTaken, take_line};
use crate::protocol::{Classes, Lines, MAX_LINE, Request, TooLong};

/// How long a job waits whose command could not be started.
const NOT_STARTED_DELAY: Duration = Duration::from_secs(5);
/// The longest trace context that is passed on, in bytes. W3C's has 55.
const MAX_TRACEPARENT: usize = 128;
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// Runs the command for one attempt. If the worker drops this, the whole process group is killed.
pub(crate) async fn run<S>(
    command: &CommandLine,
    classes: &Classes,
    cx: &Context<S>,
    request: &Request<'_>,
) -> Ended {
    let line = request.to_line()?;
    let started = ProcessGroup::start(command.command(variables(request)));
    let (mut group, pipes) = started.map_err(|err| not_started(command, &err))?;
    let Pipes { stdin, stdout, stderr } = pipes;
    let mut last_error = String::new();
    let said = {
        let talk = async {
            let log = async {
                log_stderr(stderr, |line| last_error = line).await;
                Ok(())
            };
            let read = async { tokio::try_join!(read_answers(cx, &request.run, stdout), log) };
            tokio::select! {
                read = read => read.map(|(said, ())| said),
                // A command may end without reading its request.
                never = write(stdin, &line) => never,
            }
        };
        tokio::pin!(talk);
        tokio::select! {
            biased;
            said = &mut talk => said,
            () = cx.cancelled() => {
                group.terminate();
                return stopped(talk.await.map(|said| said.answer)?).await;
            }
        }
    };
    // After an error the group is killed, because nothing more that it says would count.
    let Said { answer, text } = said?;
    let status = tokio::select! {
        biased;
        status = group.ended() => status?,
        () = cx.cancelled() => {
            group.terminate();
            return stopped(answer).await;
        }
    };
    match answer {
        Some(answer) => answer,
        None => match failure_of(status, &last_error, classes) {
            Some(failure) => Err(failure),
            None => Ok(text_value(&text)),
        },
    }
}

/// The end of an attempt that was asked to stop. Without an answer it waits for the worker, which drops it
/// a second later: so the processes have that second, and then the whole group is killed.
pub(super) async fn stopped(answer: Option<Ended>) -> Ended {
    match answer {
        Some(answer) => answer,
        None => std::future::pending().await,
    }
}

/// What a command wrote to its standard output.
#[derive(Debug, Default)]
struct Said {
    /// Its answer, if it gave one. The last one counts.
    answer: Option<Ended>,
    /// The lines that are no answers.
    text: String,
}

async fn read_answers<S>(
    cx: &Context<S>,
    run: &str,
    mut stdout: impl AsyncRead + Unpin,
) -> Result<Said, Failure> {
    let (mut said, mut lines, mut piece) = (Said::default(), Lines::default(), vec![0; PIECE]);
    loop {
        let read = stdout.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        lines.push(&piece[..read])?;
        while let Some(line) = lines.next() {
            said.take(cx, run, &line).await?;
        }
    }
    let rest = lines.rest();
    if !rest.is_empty() {
        said.take(cx, run, &rest).await?;
    }
    Ok(said)
}

impl Said {
    async fn take<S>(&mut self, cx: &Context<S>, run: &str, line: &[u8]) -> Result<(), Failure> {
        match take_line(cx, run, line).await? {
            LineTaken::Ended(ended) => self.answer = Some(ended),
            LineTaken::Answer => {}
            // A command may print an object of another program.
            LineTaken::Mixed | LineTaken::Text => {
                if self.text.len() + line.len() > MAX_LINE {
                    return Err(TooLong.into());
                }
                self.text.push_str(&String::from_utf8_lossy(line));
                self.text.push('\n');
            }
        }
        Ok(())
    }
}

/// Writes the request, and never returns: the end of the output is the end of the attempt. A command
/// that does not read its request is a good one.
async fn write(mut stdin: ChildStdin, line: &[u8]) -> Result<Said, Failure> {
    let _ = stdin.write_all(line).await;
    // It sees the end of the request.
    drop(stdin);
    std::future::pending().await
}

/// The result of a command that wrote plain text: the text without its last line end, or null.
fn text_value(text: &str) -> Value {
    match text.trim_end() {
        "" => Value::Null,
        text => Value::String(text.into()),
    }
}

/// The command is there (this was checked at the start), so the machine cannot start it now. What no
/// time will change is never tried again.
pub(super) fn not_started(command: &CommandLine, err: &io::Error) -> Failure {
    if matches!(err.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::ArgumentListTooLong) {
        return Failure::new(ErrorKind::VALUE, format!("the command cannot start: {err}")).fatal();
    }
    tracing::warn!("the command {command} cannot be started: {err}; the job waits");
    Failure::snooze(NOT_STARTED_DELAY)
}

/// What a command finds in its environment, beside the request on its standard input.
fn variables(request: &Request<'_>) -> Vec<(&'static str, String)> {
    let always = [
        ("NAQ_JOB_ID", request.id.to_string()),
        ("NAQ_QUEUE", request.queue.to_string()),
        ("NAQ_TASK", request.task.to_string()),
        ("NAQ_ATTEMPT", request.attempt.to_string()),
        ("NAQ_MAX_ATTEMPTS", request.max_attempts.to_string()),
        ("NAQ_IDEMPOTENCY_KEY", request.idempotency_key.to_owned()),
    ];
    let deadline = request.deadline.map(|it| ("NAQ_DEADLINE", it.to_string()));
    // A producer may have written anything there.
    let is_plain =
        |it: &&str| it.len() <= MAX_TRACEPARENT && it.bytes().all(|b| b.is_ascii_graphic());
    let trace = request.traceparent.filter(is_plain).map(|it| ("TRACEPARENT", it.to_owned()));
    always.into_iter().chain(deadline).chain(trace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_is_the_result_and_no_text_is_null() {
        assert_eq!(text_value("two\nlines\n"), Value::from("two\nlines"));
        assert_eq!(text_value("\n"), Value::Null);
    }
}
