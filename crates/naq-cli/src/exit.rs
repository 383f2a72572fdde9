//! How a command ends: the exit code, and what to do next, from the error.

use std::process;

use naq_client::{BatchError, ClientError, EnqueueError, ScheduleError, WaitError, WorkflowError};
use naq_core::schedule::ScheduleFault;
use naq_core::transport::TransportError;

/// The exit codes. They are stable; scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
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
impl ExitCode {
    /// Beyond a bound that warns.
    pub(crate) const WARNING: Self = Self::Failed;
    /// Beyond a bound that alarms.
    pub(crate) const CRITICAL: Self = Self::Usage;
    /// Nobody can say: the check itself is wrong, or may not look.
    pub(crate) const UNKNOWN: Self = Self::NotFound;
}

impl From<ExitCode> for process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that the CLI itself finds, with its exit code and what to do next.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct CliError {
    exit: ExitCode,
    what: String,
    next: Option<String>,
}

impl CliError {
    pub(crate) fn new(exit: ExitCode, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), next: None }
    }

    /// The arguments make no sense.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, what)
    }

    /// What was named does not exist.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(ExitCode::NotFound, what)
    }

    /// What to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// The exit code for an error, and what to do next where that is known.
pub(crate) fn explain(error: &anyhow::Error) -> (ExitCode, Option<String>) {
    for cause in error.chain() {
        if let Some(problem) = cause.downcast_ref::<CliError>() {
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
                WaitError::NoRecord { .. } => (ExitCode::NotFound, None),
                WaitError::Client(error) => of_client(error),
                _ => (ExitCode::Failed, None),
            };
        }
        if let Some(error) = cause.downcast_ref::<WorkflowError>() {
            return match error {
                WorkflowError::Unknown(_) => {
                    (ExitCode::NotFound, Some("the workflows there are: naq workflow list".into()))
                }
                WorkflowError::Transport(error) => of_transport(error),
                _ => (ExitCode::Failed, None),
            };
        }
        if cause.is::<ScheduleFault>() {
            return (ExitCode::Usage, None);
        }
        if let Some(error) = cause.downcast_ref::<ScheduleError>() {
            return of_schedule(error);
        }
        if let Some(error) = cause.downcast_ref::<EnqueueError>() {
            return match error {
                EnqueueError::Transport(error) => of_transport(error),
                EnqueueError::UnknownDependency(_) => (
                    ExitCode::NotFound,
                    Some("enqueue that job first, or check its id and queue".into()),
                ),
                _ => (ExitCode::Usage, None),
            };
        }
    }
    (ExitCode::Failed, None)
}

fn of_client(error: &ClientError) -> (ExitCode, Option<String>) {
    match error {
        ClientError::NoJob(_) => {
            (ExitCode::NotFound, Some("check the id; dead letters: naq dlq list".into()))
        }
        ClientError::NoWorker(_) => (ExitCode::NotFound, Some("who there is: naq workers".into())),
        ClientError::Ambiguous { .. } => (ExitCode::Usage, Some("add --queue QUEUE".into())),
        ClientError::Transport(error) => of_transport(error),
        _ => (ExitCode::Failed, None),
    }
}

fn of_batch(error: &BatchError) -> (ExitCode, Option<String>) {
    match error {
        BatchError::NoBatch(_) => {
            (ExitCode::NotFound, Some("the batches there are: naq batch list".into()))
        }
        BatchError::Client(error) => of_client(error),
        BatchError::Transport(error) => of_transport(error),
        BatchError::State { .. } | BatchError::Busy(_) | BatchError::Unreadable(_) => {
            (ExitCode::Failed, None)
        }
        _ => (ExitCode::Usage, None),
    }
}

fn of_schedule(error: &ScheduleError) -> (ExitCode, Option<String>) {
    match error {
        ScheduleError::NotFound(_) => {
            (ExitCode::NotFound, Some("the schedules there are: naq schedule list".into()))
        }
        ScheduleError::Transport(error) | ScheduleError::Job(EnqueueError::Transport(error)) => {
            of_transport(error)
        }
        ScheduleError::Unreadable { .. } | ScheduleError::Contended(_) => (ExitCode::Failed, None),
        _ => (ExitCode::Usage, None),
    }
}

fn of_transport(error: &TransportError) -> (ExitCode, Option<String>) {
    match error {
        TransportError::Unreachable { .. } => (
            ExitCode::Unreachable,
            Some("start a broker (`naq dev` brings one), or say where it is: --nats-url, NAQ_NATS_URL".into()),
        ),
        TransportError::Timeout { .. } => {
            (ExitCode::Unreachable, Some("repeat it, it is safe to; `naq doctor` looks at the broker".into()))
        }
        TransportError::Auth(_) => (
            ExitCode::Auth,
            Some("give credentials: --nats-user with NAQ_NATS_PASSWORD, NAQ_NATS_TOKEN, --nats-nkey, --nats-creds".into()),
        ),
        TransportError::Permission { .. } => (ExitCode::Auth, None),
        TransportError::NoQueue(_) => (ExitCode::NotFound, Some("the queues there are: naq queue list".into())),
        _ => (ExitCode::Failed, None),
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
