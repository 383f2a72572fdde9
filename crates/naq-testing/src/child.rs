//! Programs of NAQ as real processes: workers to kill, commands to run.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use crate::process::Process;

const EVERY: Duration = Duration::from_millis(10);

/// A child process with its output captured, that dies with its owner.
#[derive(Debug)]
pub struct ChildProcess {
    // Before the directory, so that it is dead when its files go.
    process: Process,
    dir: TempDir,
}

impl ChildProcess {
    /// Starts `command`, without standard input; its stdout and stderr go to files.
    ///
    /// # Errors
    ///
    /// The program is missing or cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("naq-child-").tempdir();
        let dir = dir.context("cannot make a directory for a child's output")?;
        let output =
            |name| File::create(dir.path().join(name)).context("cannot write a child's output");
        command.stdin(Stdio::null()).stdout(output("stdout")?).stderr(output("stderr")?);
        Ok(Self { process: Process::spawn(&mut command, dir.path())?, dir })
    }

    /// The directory of its output, which goes with it.
    #[cfg(feature = "browser")]
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has written to stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.dir.path().join("stdout"))
    }

    /// What it has written to stderr so far: its log.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.dir.path().join("stderr"))
    }

    /// SIGTERM: a deploy. Nothing is sent to a child that has ended; so with the other signals.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// SIGINT: a Ctrl-C.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn interrupt(&mut self) -> Result<()> {
        self.process.signal(Signal::INT)
    }

    /// SIGSTOP: a process that hangs, or a laptop that sleeps.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// SIGCONT: ends a [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// SIGKILL: a crash. Returns how it ended, once it has.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.process.kill()
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.process.try_wait()
    }

    /// Waits until it ends.
    ///
    /// # Errors
    ///
    /// It still ran after `within`: the message carries its stderr.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let process = &mut self.process;
        let ended = timeout(within, async {
            let mut ticks = interval(EVERY);
            loop {
                ticks.tick().await;
                if let Some(status) = process.try_wait()? {
                    return anyhow::Ok(status);
                }
            }
        });
        match ended.await {
            Ok(status) => status,
            Err(_) => bail!(
                "process {} still runs after {within:?}; its log:\n{}",
                self.pid(),
                self.stderr()
            ),
        }
    }

    /// Waits until stdout or stderr contains `text`.
    ///
    /// # Errors
    ///
    /// It ended without, or `within` has passed: the message carries its stderr.
    pub async fn wait_for_output(&mut self, text: &str, within: Duration) -> Result<()> {
        let found = timeout(within, async {
            let mut ticks = interval(EVERY);
            loop {
                ticks.tick().await;
                // Asked before reading: what it wrote last is not missed.
                let ended = self.process.try_wait()?;
                if self.stdout().contains(text) || self.stderr().contains(text) {
                    return Ok(());
                }
                if let Some(status) = ended {
                    bail!("ended ({status}) without writing {text:?}; its log:\n{}", self.stderr());
                }
            }
        });
        match found.await {
            Ok(result) => result,
            Err(_) => bail!(
                "no {text:?} from {} after {within:?}; its log:\n{}",
                self.pid(),
                self.stderr()
            ),
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
