//! [`Observation`]: what a worker has seen of one delivery, as it is counted.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::failure::ErrorKind;
use crate::names::{JobId, QueueName, TaskName};
use crate::retry::Rule;

/// What stands for the task of a job that no handler is registered for, or whose body cannot be
/// read: whoever enqueues must not be able to make up labels.
pub const UNKNOWN_TASK: &str = "_unknown";

/// One delivery, and what became of it. Counted once the broker has what was decided.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The job's queue.
    pub queue: &'a QueueName,
    /// Its task, if a handler of that name is here; counted under [`UNKNOWN_TASK`] otherwise.
    pub task: Option<&'a TaskName>,
    /// The job.
    pub job: &'a JobId,
    /// The attempt, from 1.
    pub attempt: u32,
    /// Worker deaths that this delivery has brought to light.
    pub crashes: u32,
    /// When its handler ran, if it did.
    pub run: Option<Run>,
    /// What became of it.
    pub ending: Ending,
    /// What went wrong, if something did.
    pub error: Option<ObservedError<'a>>,
}

/// From when to when a handler ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// When the attempt was due, or the job enqueued: what it waited since.
    pub ready_at: Timestamp,
    /// Whether the attempt had waited for its time, so that it can have been late.
    pub was_due: bool,
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ending {
    /// The job is done.
    Completed,
    /// It failed, and will be tried again.
    Retried {
        /// The wait that was decided.
        delay: Duration,
        /// When it is due.
        due_at: Timestamp,
    },
    /// It is dead.
    Dead,
    /// It is cancelled.
    Cancelled,
    /// Its deadline had passed.
    Expired,
    /// Its handler wants to run again later.
    Snoozed,
    /// Something held it back: a limit, a breaker, a pause.
    HeldBack,
    /// It was given back unfinished, or lost to another worker.
    Interrupted,
}

/// What went wrong in an attempt.
#[derive(Debug, Clone, Copy)]
pub struct ObservedError<'a> {
    /// Its kind.
    pub kind: &'a ErrorKind,
    /// Its message, with secrets removed already.
    pub message: &'a str,
    /// The rule that decided what follows.
    pub rule: Rule,
}
