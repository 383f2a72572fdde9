//! A child process that always ends with its parent.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

/// A child process, and a second one that kills it if this process ends without cleaning up.
#[derive(Debug)]
pub(crate) struct GuardedProcess {
    child: Child,
    killer: Child,
    status: Option<ExitStatus>,
}

impl GuardedProcess {
    /// Starts `command` in its own process group, so that Ctrl-C in the terminal does not reach it.
    /// If this process ends first, `scratch` is removed as well.
    pub(crate) fn spawn(command: &mut Command, scratch: &Path) -> Result<Self> {
        let mut child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        match spawn_killer(child.id(), scratch) {
            Ok(killer) => Ok(Self { child, killer, status: None }),
            Err(error) => {
                child.kill().and_then(|()| child.wait()).context("cannot stop the child")?;
                Err(error)
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, or `None` while it runs.
    pub(crate) fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        if self.status.is_none() {
            let Some(status) = self.child.try_wait().context("cannot wait for a child")? else {
                return Ok(None);
            };
            self.on_exit(status);
        }
        Ok(self.status)
    }

    /// Limits the size of each file that the process writes.
    #[cfg(target_os = "linux")]
    pub(crate) fn limit_file_size(&self, bytes: Option<u64>) -> Result<()> {
        use rustix::process::{Resource, Rlimit, prlimit};

        let limit = Rlimit { current: bytes, maximum: None };
        let pid = Pid::from_child(&self.child);
        prlimit(Some(pid), Resource::Fsize, limit).context("cannot limit the size of files")?;
        Ok(())
    }

    /// Sends a signal, unless the process has ended.
    pub(crate) fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        // The child was not waited for yet, so its pid cannot belong to another process.
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).with_context(|| format!("cannot send {signal:?} to {pid:?}"))
    }

    /// Sends SIGSTOP and waits until all threads have stopped. Without the wait, the process might
    /// still act on the test's next request.
    pub(crate) fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        if self.status.is_none() {
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(Pid::from_child(&self.child)), stopped)
                .context("cannot wait for a child to stop")?;
        }
        Ok(())
    }

    /// Sends SIGKILL to the process and its own children (a browser has many), and waits for the
    /// end.
    pub(crate) fn kill(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.try_wait()? {
            return Ok(status);
        }
        let group = Pid::from_child(&self.child);
        kill_process_group(group, Signal::KILL).context("cannot kill a child")?;
        let status = self.child.wait().context("cannot wait for a killed child")?;
        self.on_exit(status);
        Ok(status)
    }

    /// Stores the status and ends the killer: from now on the pid may belong to another process, which
    /// the killer must not kill.
    fn on_exit(&mut self, status: ExitStatus) {
        self.status = Some(status);
        let _ = self.killer.kill();
        let _ = self.killer.wait();
    }
}

impl Drop for GuardedProcess {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Starts a shell that waits on a pipe. The pipe closes when this process ends in any way; then the
/// shell kills the child and removes the directory. (A parent-death signal would do this on Linux
/// only, and needs unsafe code.)
fn spawn_killer(pid: u32, scratch: &Path) -> Result<Child> {
    Command::new("sh")
        .args(["-c", r#"read -r _; kill -s KILL -- "-$1"; rm -rf "$2""#, "naq-testing-killer"])
        .arg(pid.to_string())
        .arg(scratch)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start sh, which kills the child if this process ends first")
}
