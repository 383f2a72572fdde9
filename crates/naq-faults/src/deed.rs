//! What operators do during a run, and what they saw.

use std::fmt;

use naq_core::JobState;
use serde::{Deserialize, Serialize};

use crate::stored_job::JobEnd;

/// One action of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
pub enum Deed {
    /// Cancels a job.
    Cancel {
        /// The job.
        job: String,
    },
    /// Removes the message of one job, as NAQ removes it.
    PurgeJob {
        /// The job.
        job: String,
    },
    /// Purges the subject of one job at the broker, as an operator may do by hand. The broker may
    /// then forget other jobs of the queue (ADR 0021).
    PurgeSubject {
        /// The job.
        job: String,
    },
    /// Removes every pending and waiting job of a task.
    PurgeTask {
        /// The queue.
        queue: String,
        /// The task.
        task: String,
    },
    /// Purges a whole queue.
    PurgeQueue {
        /// The queue.
        queue: String,
    },
    /// Requeues a dead job.
    Requeue {
        /// The job.
        job: String,
    },
    /// Removes a dead letter for good.
    PurgeDead {
        /// The job.
        job: String,
    },
    /// Pauses a queue and resumes it.
    PauseQueue {
        /// The queue.
        queue: String,
        /// For how long.
        ms: u64,
    },
    /// Pauses a task of a queue and resumes it.
    PauseTask {
        /// The queue.
        queue: String,
        /// The task.
        task: String,
        /// For how long.
        ms: u64,
    },
    /// Limits a queue and removes the limit.
    LimitQueue {
        /// The queue.
        queue: String,
        /// How many of its jobs may run at once.
        limit: u64,
        /// For how long.
        ms: u64,
    },
    /// Deletes the consumer of a queue at the broker.
    DeleteConsumer {
        /// The queue.
        queue: String,
    },
    /// Changes the description and the metadata of a stream at the broker.
    EditStream {
        /// The stream.
        stream: String,
    },
}

/// A [`Deed`] of the ledgers, with its begin, its end, and what the operator saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeedEntry {
    /// The action.
    pub deed: Deed,
    /// When it began.
    pub from: u64,
    /// When it was answered for good. An action that the broker did not answer was repeated.
    pub to: u64,
    /// What the operator saw.
    pub outcome: DeedOutcome,
}

/// The answer to a [`Deed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum DeedOutcome {
    /// It was done, and concerns no single job.
    Done,
    /// The job was cancelled.
    Cancelled {
        /// Its state shortly before; `None` if it could not be read.
        found: Option<JobState>,
    },
    /// The job had ended before the cancel.
    HadEnded {
        /// Its end.
        state: JobState,
    },
    /// Nothing was stored of the job.
    NoJob,
    /// Jobs were removed.
    Removed {
        /// The jobs of which messages were removed.
        jobs: Vec<String>,
        /// The jobs of which messages may have been removed: a purge without an answer was repeated, and
        /// found nothing.
        maybe: Vec<String>,
    },
    /// The queue was purged. `messages` is `None` if a purge without an answer was repeated.
    Purged {
        /// How many messages the broker removed.
        messages: Option<u64>,
    },
    /// The job began a new life.
    Requeued {
        /// Its death, as the dead letter says.
        letter: JobEnd,
    },
    /// The dead letter was removed for good.
    LetterRemoved {
        /// The death, as the dead letter said.
        letter: JobEnd,
    },
    /// The job had no dead letter.
    NoLetter,
    /// NAQ refused the action.
    Refused {
        /// Why.
        why: String,
    },
}

impl Deed {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::PurgeJob { .. } => "purge of a job",
            Self::PurgeSubject { .. } => "purge of a subject",
            Self::PurgeTask { .. } => "purge of a task",
            Self::PurgeQueue { .. } => "purge of a queue",
            Self::Requeue { .. } => "requeue",
            Self::PurgeDead { .. } => "purge of a dead letter",
            Self::PauseQueue { .. } => "pause of a queue",
            Self::PauseTask { .. } => "pause of a task",
            Self::LimitQueue { .. } => "limit of a queue",
            Self::DeleteConsumer { .. } => "consumer deleted",
            Self::EditStream { .. } => "stream edited",
        }
    }

    /// The job that it is for, if it is for one.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::Cancel { job }
            | Self::PurgeJob { job }
            | Self::PurgeSubject { job }
            | Self::Requeue { job }
            | Self::PurgeDead { job } => Some(job),
            _ => None,
        }
    }

    /// The queue whose jobs it holds back.
    pub fn holds_back(&self) -> Option<&str> {
        match self {
            Self::PauseQueue { queue, .. }
            | Self::PauseTask { queue, .. }
            | Self::LimitQueue { queue, .. } => Some(queue),
            _ => None,
        }
    }
}

impl fmt::Display for Deed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name())?;
        match self {
            Self::PurgeTask { queue, task } => write!(f, " {task} in {queue}"),
            Self::PauseTask { queue, task, ms } => write!(f, " {task} in {queue} for {ms} ms"),
            Self::PauseQueue { queue, ms } => write!(f, " {queue} for {ms} ms"),
            Self::LimitQueue { queue, limit, ms } => write!(f, " {queue} to {limit} for {ms} ms"),
            Self::PurgeQueue { queue } | Self::DeleteConsumer { queue } => write!(f, " {queue}"),
            Self::EditStream { stream } => write!(f, " {stream}"),
            _ => write!(f, " {}", self.job().unwrap_or("-")),
        }
    }
}

impl DeedOutcome {
    /// What it counts as in the report.
    pub fn name(&self) -> String {
        match self {
            Self::Done
            | Self::Removed { .. }
            | Self::Purged { .. }
            | Self::LetterRemoved { .. } => "done".into(),
            Self::Requeued { .. } => "done".into(),
            Self::Cancelled { found: Some(state) } => format!("done while {state}"),
            Self::Cancelled { found: None } => "done".into(),
            Self::HadEnded { .. } => "the job had ended".into(),
            Self::NoJob => "no such job".into(),
            Self::NoLetter => "no dead letter".into(),
            Self::Refused { .. } => "refused".into(),
        }
    }
}
