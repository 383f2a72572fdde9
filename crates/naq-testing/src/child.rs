//! [`ChildProcess`]: runs a program of NAQ, such as a worker or a command, as a real process.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{interval, timeout};

use crate::guarded_process::GuardedProcess;

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A child process whose output goes to files. It is killed when this value is dropped.
#[derive(Debug)]
pub struct ChildProcess {
    // This field comes before the directory, so that the process is dead when its files are
    // removed.
    process: GuardedProcess,
    dir: TempDir,
}

impl ChildProcess {
    /// Starts `command` without standard input. Its stdout and stderr go to files.
    ///
    /// # Errors
    ///
    /// The program is missing or cannot be started.
    pub fn spawn(mut command: Command) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("naq-child-").tempdir();
        let dir = dir.context("cannot create a directory for a child's output")?;
        let output =
            |name| File::create(dir.path().join(name)).context("cannot write a child's output");
        command.stdin(Stdio::null()).stdout(output("stdout")?).stderr(output("stderr")?);
        Ok(Self { process: GuardedProcess::spawn(&mut command, dir.path())?, dir })
    }

    /// The directory of its output, which is removed with this value.
    #[cfg(feature = "browser")]
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its stdout so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        read(&self.dir.path().join("stdout"))
    }

    /// Its stderr so far, which is its log.
    #[must_use]
    pub fn stderr(&self) -> String {
        read(&self.dir.path().join("stderr"))
    }

    /// Sends SIGTERM, as a deployment does. If the child has ended, no signal is sent. The same
    /// holds for the other signals.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn terminate(&mut self) -> Result<()> {
        self.process.signal(Signal::TERM)
    }

    /// Sends SIGINT, as Ctrl-C does.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn interrupt(&mut self) -> Result<()> {
        self.process.signal(Signal::INT)
    }

    /// Sends SIGSTOP: the process hangs, as on a laptop that sleeps.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn pause(&mut self) -> Result<()> {
        self.process.pause()
    }

    /// Sends SIGCONT, which ends a [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn resume(&mut self) -> Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Sends SIGKILL, which is like a crash, and waits for the end. Returns the exit status.
    ///
    /// # Errors
    ///
    /// The operating system refused.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        self.process.kill()
    }

    /// The exit status, or `None` while it runs.
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
    /// It still runs after `within`. The error contains its stderr.
    pub async fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let process = &mut self.process;
        let ended = timeout(within, async {
            let mut ticks = interval(POLL_INTERVAL);
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
    /// It ended without this text, or `within` has passed. The error contains its stderr.
    pub async fn wait_for_output(&mut self, text: &str, within: Duration) -> Result<()> {
        let found = timeout(within, async {
            let mut ticks = interval(POLL_INTERVAL);
            loop {
                ticks.tick().await;
                // This check comes before the read, so that the last output before the end is read
                // too.
                let ended = self.process.try_wait()?;
                if self.stdout().contains(text) || self.stderr().contains(text) {
                    return Ok(());
                }
                if let Some(status) = ended {
                    bail!(
                        "process ended ({status}) without writing {text:?}; its log:\n{}",
                        self.stderr()
                    );
                }
            }
        });
        match found.await {
            Ok(result) => result,
            Err(_) => bail!(
                "no {text:?} from process {} after {within:?}; its log:\n{}",
                self.pid(),
                self.stderr()
            ),
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}
