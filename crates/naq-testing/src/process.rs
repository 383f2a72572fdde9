//! A process that cannot outlive its parent, and the signals it is sent.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

/// A child process and the guard that kills it should this process die without cleaning up.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    guard: Child,
    status: Option<ExitStatus>,
}

impl Process {
    /// Spawns `command` in a process group of its own, so that a Ctrl-C meant for the tests is not
    /// its business. `scratch` is removed with it if this process dies first.
    pub(crate) fn spawn(command: &mut Command, scratch: &Path) -> Result<Self> {
        let mut child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        match spawn_guard(child.id(), scratch) {
            Ok(guard) => Ok(Self { child, guard, status: None }),
            Err(error) => {
                child.kill().and_then(|()| child.wait()).context("cannot stop the child")?;
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let Some(status) = self.child.try_wait().context("cannot wait for a child")? else {
                return Ok(None);
            };
            self.reaped(status);
        }
        Ok(self.status)
    }

    /// Sends a signal; a process that has already ended is left in peace.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        // Not reaped yet, so the pid still means this child and no other.
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {pid:?}"))
    }

    /// SIGSTOP, and waits until every thread of it stands still: the signal alone comes too late for
    /// what is asked next.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        if self.status.is_none() {
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(Pid::from_child(&self.child)), stopped)
                .context("cannot wait for a child to stop")?;
        }
        Ok(())
    }

    /// SIGKILL, to it and to what it has started itself (a browser is many processes), and reap.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::KILL).context("cannot kill a child")?;
        let status = self.child.wait().context("cannot reap a child")?;
        self.reaped(status);
        Ok(status)
    }

    /// From here on the pid may be someone else's: the guard must go before it can act on it.
    fn reaped(&mut self, status: ExitStatus) {
        self.status = Some(status);
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Waits on a pipe that closes when this process ends in whatever way, then cleans up behind it.
/// (Linux could do that with a parent-death signal, but not from safe code, and not elsewhere.)
fn spawn_guard(pid: u32, scratch: &Path) -> Result<Child> {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1"; rm -rf "$2""#, "naq-testing-guard"])
        .arg(pid.to_string())
        .arg(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start sh to watch over a child")
}
