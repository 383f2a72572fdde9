//! How a command ends: the exit code of each error, and the hint what to do next.
//!
//! The errors of the libraries state facts. Only this file names the commands that help.

use std::process;

use naq_client::{BatchError, ClientError, EnqueueError, ScheduleError, WaitError, WorkflowError};
use naq_core::schedule::ScheduleFault;
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use naq_nats::MigrateError;

/// The exit codes. They are stable; scripts may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitCode {
    /// Done.
    Ok = 0,
    /// The command was tried and failed.
    Failed = 1,
    /// The arguments are wrong. The command did nothing and connected to nothing.
    Usage = 2,
    /// A job, queue or other thing that the user named does not exist.
    NotFound = 3,
    /// The broker cannot be reached, does not answer, or cannot do this at the moment.
    Unreachable = 4,
    /// The broker refuses the credentials, or they lack a permission.
    Auth = 5,
    /// The reader of stdout closed it before the command came to its end. Shells show a program that
    /// SIGPIPE ended with the same code.
    Unread = 141,
    /// A second SIGINT ended the worker before its running jobs had finished, or Ctrl-C ended a prompt.
    Interrupted = 130,
    /// A second SIGTERM ended the worker before its running jobs had finished.
    Terminated = 143,
}

/// The exit codes of `naq check`, as monitoring systems expect them of a plugin.
impl ExitCode {
    /// A value is beyond its warning limit.
    pub(crate) const WARNING: Self = Self::Failed;
    /// A value is beyond its critical limit.
    pub(crate) const CRITICAL: Self = Self::Usage;
    /// The check gave no answer: its arguments are wrong, or it lacks a permission.
    pub(crate) const UNKNOWN: Self = Self::NotFound;
}

impl From<ExitCode> for process::ExitCode {
    fn from(exit: ExitCode) -> Self {
        Self::from(exit as u8)
    }
}

/// An error that the CLI itself finds, with its exit code and the hint what to do next.
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

    /// An error in the arguments.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(ExitCode::Usage, what)
    }

    /// Something that the user named does not exist.
    pub(crate) fn not_found(what: impl Into<String>) -> Self {
        Self::new(ExitCode::NotFound, what)
    }

    /// Adds the hint what to do next.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }
}

/// The exit code for an error, and the hint what to do next, if there is one.
pub(crate) fn explain(error: &anyhow::Error) -> (ExitCode, Option<String>) {
    for cause in error.chain() {
        if let Some(problem) = cause.downcast_ref::<CliError>() {
            return (problem.exit, problem.next.clone());
        }
        if let Some(error) = cause.downcast_ref::<TransportError>() {
            return of_transport(error);
        }
        if let Some(error) = cause.downcast_ref::<MigrateError>() {
            return match error {
                MigrateError::Transport(error) => of_transport(error),
                _ => (
                    ExitCode::Failed,
                    Some("list the workers: naq workers; stop one: naq workers drain ID".into()),
                ),
            };
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
                WaitError::Dead { id, .. } => (
                    ExitCode::Failed,
                    Some(format!("show it: naq dlq show {id}; run it again: naq dlq requeue {id}")),
                ),
                WaitError::TimedOut { id, .. } => {
                    (ExitCode::Failed, Some(format!("show it: naq job show {id}")))
                }
                WaitError::Client(error) => of_client(error),
                _ => (ExitCode::Failed, None),
            };
        }
        if let Some(error) = cause.downcast_ref::<WorkflowError>() {
            return match error {
                WorkflowError::Unknown(_) => {
                    (ExitCode::NotFound, Some("list the workflows: naq workflow list".into()))
                }
                WorkflowError::Transport(error) => of_transport(error),
                _ => (ExitCode::Failed, None),
            };
        }
        #[cfg(feature = "handlers")]
        if cause.is::<naq_handlers::HandlersError>() || cause.is::<naq_handlers::KeyError>() {
            return (ExitCode::Usage, Some("the format: docs/handler-protocol.md".into()));
        }
        #[cfg(feature = "outbox")]
        if let Some(error) = cause.downcast_ref::<naq_outbox::OutboxError>() {
            return of_outbox(error);
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
            (ExitCode::NotFound, Some("check the id; to list dead letters: naq dlq list".into()))
        }
        ClientError::State { id, state: JobState::Dead, .. } => {
            (ExitCode::Failed, Some(format!("run it again: naq dlq requeue {id}")))
        }
        ClientError::NoWorker(_) => {
            (ExitCode::NotFound, Some("list the workers: naq workers".into()))
        }
        ClientError::Ambiguous { .. } => (ExitCode::Usage, Some("add --queue QUEUE".into())),
        ClientError::Transport(error) => of_transport(error),
        _ => (ExitCode::Failed, None),
    }
}

fn of_batch(error: &BatchError) -> (ExitCode, Option<String>) {
    match error {
        BatchError::NoBatch(_) => {
            (ExitCode::NotFound, Some("list the batches: naq batch list".into()))
        }
        BatchError::Client(error) => of_client(error),
        BatchError::Transport(error) => of_transport(error),
        BatchError::Busy(id) => {
            (ExitCode::Failed, Some(format!("cancel it: naq batch cancel {id}")))
        }
        BatchError::State { .. } | BatchError::Unreadable(_) => (ExitCode::Failed, None),
        _ => (ExitCode::Usage, None),
    }
}

fn of_schedule(error: &ScheduleError) -> (ExitCode, Option<String>) {
    match error {
        ScheduleError::NotFound(_) => {
            (ExitCode::NotFound, Some("list the schedules: naq schedule list".into()))
        }
        ScheduleError::Transport(error) | ScheduleError::Job(EnqueueError::Transport(error)) => {
            of_transport(error)
        }
        ScheduleError::Unreadable { .. } | ScheduleError::Contended(_) => (ExitCode::Failed, None),
        _ => (ExitCode::Usage, None),
    }
}

#[cfg(feature = "outbox")]
fn of_outbox(error: &naq_outbox::OutboxError) -> (ExitCode, Option<String>) {
    match error {
        naq_outbox::OutboxError::NoTable => {
            (ExitCode::NotFound, Some("create it: naq outbox create-table".into()))
        }
        _ => (ExitCode::Failed, None),
    }
}

fn of_transport(error: &TransportError) -> (ExitCode, Option<String>) {
    match error {
        TransportError::Unreachable { .. } => (
            ExitCode::Unreachable,
            Some("start a broker (`naq dev` starts one), or give its address: --nats-url, NAQ_NATS_URL".into()),
        ),
        TransportError::Timeout { .. } | TransportError::Unavailable { .. } => {
            (ExitCode::Unreachable, Some("repeat the command, which is safe; to check the broker: naq doctor".into()))
        }
        TransportError::Auth(_) => (
            ExitCode::Auth,
            Some("give credentials: --nats-user with NAQ_NATS_PASSWORD, NAQ_NATS_TOKEN, --nats-nkey, --nats-creds".into()),
        ),
        TransportError::Permission { .. } => (ExitCode::Auth, None),
        TransportError::StoreFull { .. } => (
            ExitCode::Failed,
            Some("make room, or raise the limit; see which stores are full: naq doctor".into()),
        ),
        TransportError::QueueFull { queue, .. } => (
            ExitCode::Failed,
            Some(format!("see what it stores: naq queue info {queue}; to change its bound: naq queue limit {queue} --max-jobs N")),
        ),
        TransportError::QueueEvicts { queue, .. } => (
            ExitCode::Failed,
            Some(format!("this also removes the limit: naq queue limit {queue} --max-jobs none; for a bound that refuses jobs: --max-jobs N")),
        ),
        TransportError::NoQueue(_) => (ExitCode::NotFound, Some("list the queues: naq queue list".into())),
        _ => (ExitCode::Failed, None),
    }
}
