//! [`Pool`]: processes that stay, and run one attempt after another.

use std::sync::{Arc, Mutex};

use naq_core::Failure;
use naq_core::sync::lock;
use naq_worker::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout};

use super::CommandLine;
use super::exec::not_started;
use super::exit::failure_of;
use super::process_group::{Pipes, ProcessGroup};
use super::stderr_log::log_stderr;
use crate::answers::{Ended, LineTaken, take_line};
use crate::protocol::{Classes, Lines, Request};

/// The crash of a process that read its request and left.
const NO_ANSWER: &str = "the process ended without an answer";
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
        let line = request.to_line()?;
        loop {
            let mut process = self.send(&line).await?;
            let answered = {
                let answer = process.read_answer(cx);
                tokio::pin!(answer);
                tokio::select! {
                    biased;
                    answered = &mut answer => Some(answered),
                    () = cx.cancelled() => None,
                }
            };
            let is_cancelled = answered.is_none();
            let answered = match answered {
                Some(answered) => answered,
                None => {
                    process.group.terminate();
                    process.read_answer(cx).await
                }
            };
            match answered {
                Ok(answer) if is_cancelled => return answer,
                Ok(answer) => {
                    process.is_used = true;
                    lock(&self.idle).push(process);
                    return answer;
                }
                Err(NoAnswer::Failed(failure)) => return Err(failure),
                Err(NoAnswer::HangUp) => {
                    let may_have_left = process.is_used && !is_cancelled;
                    match process.hang_up(classes).await {
                        // It left between two attempts, and has not read this one.
                        HangUp::Left if may_have_left => {}
                        HangUp::Left => return Err(Failure::crash(NO_ANSWER)),
                        HangUp::Failed(failure) => return Err(failure),
                    }
                }
            }
        }
    }

    /// A process that has the request. An idle process may end at any time, for instance after so
    /// many attempts, and then it has not read the request: another one gets it.
    async fn send(&self, line: &[u8]) -> Result<PooledProcess, Failure> {
        loop {
            let idle = lock(&self.idle).pop();
            let Some(mut process) = idle else { break };
            if !process.group.has_ended() && process.stdin.write_all(line).await.is_ok() {
                return Ok(process);
            }
        }
        let mut process = PooledProcess::start(&self.command)?;
        // If it does not read, it is about to end; reading its answer shows that.
        let _ = process.stdin.write_all(line).await;
        Ok(process)
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
        Ok(Self { group, stdin, stdout, lines: Lines::default(), is_used: false, last_error })
    }

    async fn read_answer<S>(&mut self, cx: &Context<S>) -> Result<Ended, NoAnswer> {
        let mut piece = vec![0; PIECE];
        loop {
            while let Some(line) = self.lines.next() {
                match take_line(cx, &line).await? {
                    LineTaken::Ended(ended) => return Ok(ended),
                    LineTaken::Answer => {}
                    LineTaken::Text => {
                        let text = String::from_utf8_lossy(&line);
                        tracing::info!(target: "naq::handler", "{text}");
                    }
                }
            }
            match self.stdout.read(&mut piece).await.map_err(Failure::from)? {
                0 => return Err(NoAnswer::HangUp),
                read => self.lines.push(&piece[..read]).map_err(Failure::from)?,
            }
        }
    }

    /// Why a process ended without an answer.
    async fn hang_up(self, classes: &Classes) -> HangUp {
        let Self { group, stdin, last_error, .. } = self;
        drop(stdin);
        let status = match group.ended().await {
            Ok(status) => status,
            Err(err) => return HangUp::Failed(err.into()),
        };
        let failure = failure_of(status, &lock(&last_error), classes);
        failure.map_or(HangUp::Left, HangUp::Failed)
    }
}
