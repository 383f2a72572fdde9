//! [`Observation`]: one delivery, as statistics count it.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{JobId, QueueName, TaskName};
use crate::retry::Rule;

/// The task name under which a job is counted if the worker has no handler for its task, or its body
/// cannot be read. So a program that enqueues jobs cannot create metric labels.
pub const UNKNOWN_TASK: &str = "_unknown";

/// One delivery and how it ended. It is counted when the broker has stored the fact.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The queue of the job.
    pub queue: &'a QueueName,
    /// The task of the job. `None` if the worker has no handler for it; then it is counted under
    /// [`UNKNOWN_TASK`].
    pub task: Option<&'a TaskName>,
    /// The job.
    pub job: &'a JobId,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// How many crashes of workers were noticed with this delivery.
    pub crashes: u32,
    /// When the handler ran. `None` if it did not.
    pub run: Option<Run>,
    /// How the delivery ended.
    pub ending: Ending,
    /// The failure. `None` if there was none.
    pub error: Option<ObservedError<'a>>,
}

/// The times of one call of a handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When the handler started.
    pub started_at: Timestamp,
    /// When the handler ended.
    pub ended_at: Timestamp,
    /// When the attempt was due, or the job was enqueued. The wait for a slot started then.
    pub ready_at: Timestamp,
    /// Whether the attempt was delayed, so that its wait counts as lateness.
    pub was_due: bool,
}

/// How statistics count a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The job completed.
    Completed,
    /// The attempt failed and is retried.
    Retried {
        /// The delay of the retry.
        delay: Duration,
        /// When the retry is due.
        due_at: Timestamp,
    },
    /// The job died.
    Dead,
    /// The job was cancelled.
    Cancelled,
    /// The job expired.
    Expired,
    /// The handler snoozed the job.
    Snoozed,
    /// A gate held the job back, such as a limit, a breaker or a pause.
    HeldBack,
    /// The delivery was given back unfinished, or its lease was lost.
    Interrupted,
}

/// The failure of an attempt.
#[derive(Debug, Clone, Copy)]
pub struct ObservedError<'a> {
    /// The error kind.
    pub kind: &'a ErrorKind,
    /// The message, with secrets already removed.
    pub message: &'a str,
    /// The rule that decided what follows.
    pub rule: Rule,
}
