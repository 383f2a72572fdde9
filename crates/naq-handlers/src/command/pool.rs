//! [`Pool`]: processes that stay, and run one attempt after another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use naq_core::Failure;
use naq_core::redact::Redactor;
use naq_core::sync::lock;
use naq_worker::Context;
use rustix::io::Errno;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};

use super::CommandLine;
use super::exec::{not_started, stopped};
use super::exit::failure_of;
use super::process_group::{Pipes, ProcessGroup};
use super::stderr_log::log_stderr;
use crate::answers::{Ended, LineTaken, take_line};
use crate::protocol::{Classes, Line, Lines, Request, mixed, read_line};

/// The crash of a process that read its request and left.
const NO_ANSWER: &str = "the process ended without an answer";
/// The crash of a process that closed its output and stayed.
const CLOSED: &str = "the process closed its output before it answered";
/// How long a process may take to end after it has closed its output.
const END_GRACE: Duration = Duration::from_secs(1);
/// How much is read at once.
const PIECE: usize = 16 << 10;

/// The processes of one command. Each runs one attempt at a time; there are as many as attempts ran
/// at the same time.
#[derive(Debug)]
pub(crate) struct Pool {
    command: CommandLine,
    idle: Mutex<Vec<PooledProcess>>,
}

#[derive(Debug)]
struct PooledProcess {
    group: ProcessGroup,
    stdin: ChildStdin,
    stdout: ChildStdout,
    lines: Lines,
    /// Whether it has run an attempt.
    is_used: bool,
    /// Whether it has the whole request of this attempt.
    is_sent: bool,
    /// Whether it has said anything in this attempt.
    has_spoken: bool,
    /// The last line that it wrote to its standard error.
    last_error: Arc<Mutex<String>>,
}

/// Why an attempt has no answer.
enum NoAnswer {
    /// The process has ended, or closed its output.
    HangUp,
    /// The attempt failed, and the process cannot be used further.
    Failed(Failure),
}

/// How a process ended that gave no answer.
enum HangUp {
    /// With exit code 0, as a process does that leaves after so many attempts.
    Left,
    /// With another exit code, or by a signal.
    Failed(Failure),
}

impl From<Failure> for NoAnswer {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Pool {
    pub(crate) fn new(command: CommandLine) -> Self {
        Self { command, idle: Mutex::default() }
    }

    pub(crate) async fn run<S>(
        &self,
        classes: &Classes,
        cx: &Context<S>,
        request: &Request<'_>,
    ) -> Ended {
        let (line, run) = (request.to_line()?, request.run.as_str());
        let mut has_another_left = false;
        loop {
            let mut process = self.idle_or_new()?;
            let group = process.group.id();
            let answered = {
                let talk = process.talk(cx, run, &line);
                tokio::pin!(talk);
                tokio::select! {
                    biased;
                    answered = &mut talk => answered,
                    () = cx.cancelled() => {
                        group.terminate();
                        // The process is dropped, and so killed: it may have taken the signal for itself.
                        return match talk.await {
                            Ok(answer) => stopped(Some(answer)).await,
                            Err(NoAnswer::Failed(failure)) => Err(failure),
                            Err(NoAnswer::HangUp) => stopped(None).await,
                        };
                    }
                }
            };
            match answered {
                Ok(answer) => {
                    process.is_used = true;
                    if process.is_sent && process.is_quiet(run) {
                        lock(&self.idle).push(process);
                    }
                    return answer;
                }
                Err(NoAnswer::Failed(failure)) => return Err(failure),
                Err(NoAnswer::HangUp) => {
                    let may_not_have_read = process.is_used && !process.has_spoken;
                    match process.hang_up(classes).await {
                        // It left between two attempts. Once: a handler that leaves in the middle of
                        // its work would otherwise do so in each idle process.
                        HangUp::Left if may_not_have_read && !has_another_left => {
                            has_another_left = true;
                        }
                        HangUp::Left => return Err(Failure::crash(NO_ANSWER)),
                        HangUp::Failed(failure) => return Err(failure),
                    }
                }
            }
        }
    }

    /// An idle process that is alive and quiet, or a new one.
    fn idle_or_new(&self) -> Result<PooledProcess, Failure> {
        loop {
            let idle = lock(&self.idle).pop();
            let Some(mut process) = idle else { return PooledProcess::start(&self.command) };
            if !process.group.has_ended() && process.is_quiet("") {
                process.is_sent = false;
                process.has_spoken = false;
                return Ok(process);
            }
        }
    }
}

impl PooledProcess {
    fn start(command: &CommandLine) -> Result<Self, Failure> {
        let started = ProcessGroup::start(command.command([]));
        let (group, pipes) = started.map_err(|err| not_started(command, &err))?;
        let Pipes { stdin, stdout, stderr } = pipes;
        let last_error = Arc::new(Mutex::new(String::new()));
        let last = last_error.clone();
        // It ends with the process, which may outlive this attempt.
        tokio::spawn(async move { log_stderr(stderr, |line| *lock(&last) = line).await });
        let (is_used, is_sent, has_spoken) = (false, false, false);
        let lines = Lines::default();
        Ok(Self { group, stdin, stdout, lines, is_used, is_sent, has_spoken, last_error })
    }

    /// Sends the request, and reads the answer. A process may answer before it has read everything.
    async fn talk<S>(
        &mut self,
        cx: &Context<S>,
        run: &str,
        line: &[u8],
    ) -> Result<Ended, NoAnswer> {
        let Self { stdin, stdout, lines, is_sent, has_spoken, .. } = self;
        let send = async {
            // One that does not read is about to end; reading its answer shows that.
            *is_sent = stdin.write_all(line).await.is_ok();
            std::future::pending::<()>().await;
        };
        let read = async {
            let mut piece = vec![0; PIECE];
            loop {
                while let Some(line) = lines.next() {
                    *has_spoken = true;
                    match take_line(cx, run, &line).await? {
                        LineTaken::Ended(ended) => return Ok(ended),
                        LineTaken::Answer => {}
                        LineTaken::Mixed => return Err(mixed().into()),
                        LineTaken::Text => log_text(&line),
                    }
                }
                match stdout.read(&mut piece).await.map_err(Failure::from)? {
                    0 => return Err(NoAnswer::HangUp),
                    read => lines.push(&piece[..read]).map_err(Failure::from)?,
                }
            }
        };
        tokio::select! {
            answered = read => answered,
            () = send => Err(NoAnswer::HangUp),
        }
    }

    /// Whether the process has said nothing since its answer. What it said would be taken for the answer
    /// to another attempt. Plain text is logged.
    fn is_quiet(&mut self, run: &str) -> bool {
        let mut piece = [0; PIECE];
        loop {
            while let Some(line) = self.lines.next() {
                match read_line(&line, run) {
                    Ok(Line::Text) => log_text(&line),
                    _ => {
                        tracing::warn!(
                            "a handler answered twice, or late: its process is replaced"
                        );
                        return false;
                    }
                }
            }
            match read_now(&self.stdout, &mut piece) {
                None => return self.lines.is_empty(),
                Some(0) => return false,
                Some(read) if self.lines.push(&piece[..read]).is_err() => return false,
                Some(_) => {}
            }
        }
    }

    /// Why a process ended without an answer.
    async fn hang_up(mut self, classes: &Classes) -> HangUp {
        let status = match tokio::time::timeout(END_GRACE, self.group.ended()).await {
            Ok(Ok(status)) => status,
            Ok(Err(err)) => return HangUp::Failed(err.into()),
            Err(_) => return HangUp::Failed(Failure::crash(CLOSED)),
        };
        let failure = failure_of(status, &lock(&self.last_error), classes);
        failure.map_or(HangUp::Left, HangUp::Failed)
    }
}

/// What can be read now: None for nothing yet, 0 for the end or an error. It asks the system: the
/// runtime learns only when it is idle that there is something to read.
fn read_now(stdout: &ChildStdout, piece: &mut [u8]) -> Option<usize> {
    match rustix::io::read(stdout, piece) {
        Ok(read) => Some(read),
        Err(Errno::AGAIN | Errno::INTR) => None,
        Err(_) => Some(0),
    }
}

fn log_text(line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    tracing::info!(target: "naq::handler", "{}", Redactor::default().redact_text(&text));
}
