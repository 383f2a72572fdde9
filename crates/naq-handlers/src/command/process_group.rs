//! [`ProcessGroup`]: a command, and the processes that it starts.

use std::io;
use std::process::ExitStatus;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};

/// A running command. It is killed with its whole group when this is dropped, unless it has
/// [`ended`](Self::ended).
#[derive(Debug)]
pub(crate) struct ProcessGroup {
    child: Child,
    /// None once the command has ended and was reaped: another program may have its number then.
    group: Option<Pid>,
}

/// The pipes of a command.
#[derive(Debug)]
pub(crate) struct Pipes {
    pub(crate) stdin: ChildStdin,
    pub(crate) stdout: ChildStdout,
    pub(crate) stderr: ChildStderr,
}

impl ProcessGroup {
    /// Starts the command, which leads a group of its own.
    pub(crate) fn start(mut command: Command) -> io::Result<(Self, Pipes)> {
        let mut child = command.spawn()?;
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(io::Error::other("the command has no pipes"));
        };
        Ok((Self { child, group }, Pipes { stdin, stdout, stderr }))
    }

    /// Asks all processes of the group to end. After that the caller does not wait for the
    /// [end](Self::ended): the number of the group stays taken until the group is killed.
    pub(crate) fn terminate(&self) {
        signal(self.group, Signal::TERM);
    }

    /// Kills all processes of the group.
    pub(crate) fn kill(&self) {
        signal(self.group, Signal::KILL);
    }

    /// The number of the group, to terminate it while something else has this.
    pub(crate) fn id(&self) -> GroupId {
        GroupId(self.group)
    }

    /// Whether the command has ended already.
    pub(crate) fn has_ended(&mut self) -> bool {
        let ended = !matches!(self.child.try_wait(), Ok(None));
        if ended {
            self.group = None;
        }
        ended
    }

    /// Waits until the command has ended. Its group is left alone from then.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await;
        self.group = None;
        status
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The number of a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GroupId(Option<Pid>);

impl GroupId {
    /// As [`ProcessGroup::terminate`].
    pub(crate) fn terminate(self) {
        signal(self.0, Signal::TERM);
    }
}

fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(group) = group
        && let Err(err) = kill_process_group(group, signal)
    {
        tracing::debug!("the processes of a handler cannot be signalled: {err}");
    }
}
