//! How a command ends: the exit code, and what to do next, from the error.

use std::process::ExitCode;

use naq_client::{BatchError, ClientError, EnqueueError, ScheduleError, WaitError, WorkflowError};
use naq_core::schedule::ScheduleFault;
use naq_core::transport::TransportError;

/// The exit codes. They are stable; scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Tried, and it did not work.
    Failed = 1,
    /// The arguments make no sense; nothing was done, nothing was connected to.
    Usage = 2,
    /// What was named does not exist.
    NotFound = 3,
    /// The broker cannot be reached or does not answer.
    Unreachable = 4,
    /// The broker refuses the credentials, or what they allow is not enough.
    Auth = 5,
    /// Ended by a second SIGINT, before the work in hand was done.
    Interrupted = 130,
    /// Ended by a second SIGTERM, before the work in hand was done.
    Terminated = 143,
}

/// What `naq check` ends with: the numbers that monitoring systems expect of a plugin, and what they
/// mean to them.
impl Exit {
    /// Beyond a bound that warns.
    pub(crate) const WARNING: Self = Self::Failed;
    /// Beyond a bound that alarms.
    pub(crate) const CRITICAL: Self = Self::Usage;
    /// Nobody can say: the check itself is wrong, or may not look.
    pub(crate) const UNKNOWN: Self = Self::NotFound;
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that the CLI itself finds, with its exit code and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Problem {
    exit: Exit,
    what: String,
    next: Option<String>,
}

impl Problem {
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: None }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// What was named does not exist.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, what)
    }

    /// What to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// The exit code for an error, and what to do next where that is known.
pub(crate) fn explain(error: &anyhow::Error) -> (Exit, Option<String>) {
    for cause in error.chain() {
        if let Some(problem) = cause.downcast_ref::<Problem>() {
            return (problem.exit, problem.next.clone());
        }
        if let Some(error) = cause.downcast_ref::<TransportError>() {
            return of_transport(error);
        }
        if let Some(error) = cause.downcast_ref::<ClientError>() {
            return of_client(error);
        }
        if let Some(error) = cause.downcast_ref::<BatchError>() {
            return of_batch(error);
        }
        if let Some(error) = cause.downcast_ref::<WaitError>() {
            return match error {
                WaitError::NoRecord { .. } => (Exit::NotFound, None),
                WaitError::Client(error) => of_client(error),
                _ => (Exit::Failed, None),
            };
        }
        if let Some(error) = cause.downcast_ref::<WorkflowError>() {
            return match error {
                WorkflowError::Unknown(_) => {
                    (Exit::NotFound, Some("the workflows there are: naq workflow list".into()))
                }
                WorkflowError::Transport(error) => of_transport(error),
                _ => (Exit::Failed, None),
            };
        }
        if cause.is::<ScheduleFault>() {
            return (Exit::Usage, None);
        }
        if let Some(error) = cause.downcast_ref::<ScheduleError>() {
            return of_schedule(error);
        }
        if let Some(error) = cause.downcast_ref::<EnqueueError>() {
            return match error {
                EnqueueError::Transport(error) => of_transport(error),
                EnqueueError::UnknownDependency(_) => (
                    Exit::NotFound,
                    Some("enqueue that job first, or check its id and queue".into()),
                ),
                _ => (Exit::Usage, None),
            };
        }
    }
    (Exit::Failed, None)
}

fn of_client(error: &ClientError) -> (Exit, Option<String>) {
    match error {
        ClientError::NoJob(_) => {
            (Exit::NotFound, Some("check the id; dead letters: naq dlq list".into()))
        }
        ClientError::NoWorker(_) => (Exit::NotFound, Some("who there is: naq workers".into())),
        ClientError::Ambiguous { .. } => (Exit::Usage, Some("add --queue QUEUE".into())),
        ClientError::Transport(error) => of_transport(error),
        _ => (Exit::Failed, None),
    }
}

fn of_batch(error: &BatchError) -> (Exit, Option<String>) {
    match error {
        BatchError::NoBatch(_) => {
            (Exit::NotFound, Some("the batches there are: naq batch list".into()))
        }
        BatchError::Client(error) => of_client(error),
        BatchError::Transport(error) => of_transport(error),
        BatchError::State { .. } | BatchError::Busy(_) | BatchError::Unreadable(_) => {
            (Exit::Failed, None)
        }
        _ => (Exit::Usage, None),
    }
}

fn of_schedule(error: &ScheduleError) -> (Exit, Option<String>) {
    match error {
        ScheduleError::NotFound(_) => {
            (Exit::NotFound, Some("the schedules there are: naq schedule list".into()))
        }
        ScheduleError::Transport(error) | ScheduleError::Job(EnqueueError::Transport(error)) => {
            of_transport(error)
        }
        ScheduleError::Unreadable { .. } | ScheduleError::Contended(_) => (Exit::Failed, None),
        _ => (Exit::Usage, None),
    }
}

fn of_transport(error: &TransportError) -> (Exit, Option<String>) {
    match error {
        TransportError::Unreachable { .. } => (
            Exit::Unreachable,
            Some("start a broker (`naq dev` brings one), or say where it is: --nats-url, NAQ_NATS_URL".into()),
        ),
        TransportError::Timeout { .. } => {
            (Exit::Unreachable, Some("repeat it, it is safe to; `naq doctor` looks at the broker".into()))
        }
        TransportError::Auth(_) => (
            Exit::Auth,
            Some("give credentials: --nats-user with NAQ_NATS_PASSWORD, NAQ_NATS_TOKEN, --nats-nkey, --nats-creds".into()),
        ),
        TransportError::Permission { .. } => (Exit::Auth, None),
        TransportError::NoQueue(_) => (Exit::NotFound, Some("the queues there are: naq queue list".into())),
        _ => (Exit::Failed, None),
    }
}

/// Whether the reader of our output has gone, as `head` does: nobody is left to tell.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
    })
}
