//! What can go wrong between a program and its jobs.

use crate::names::{JobId, NameError, QueueName};
use crate::retry::PolicyError;
use crate::state::JobState;
use crate::transport::TransportError;
use crate::wire::{DecodeError, EncodeError};

/// A job that was not enqueued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// A queue, task or id that NAQ refuses.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The retry options contradict each other or are out of range.
    #[error("retry policy: {0}")]
    Policy(#[from] PolicyError),
    /// Another option is out of range.
    #[error("{0}")]
    Option(String),
    /// The job cannot be written, or is too large.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker did not take it. After a timeout it may have: enqueue again under the same id.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A look at a job, or an action on it, that did not work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No queue holds anything of this job.
    #[error("no job {0}: it was never enqueued, or its record has expired")]
    NoJob(JobId),
    /// The same id is in several queues.
    #[error("job {id} is in several queues: {}; say which", list(.queues))]
    Ambiguous {
        /// The id.
        id: JobId,
        /// Where it is.
        queues: Vec<QueueName>,
    },
    /// The job is not in a state in which this can be done.
    #[error("job {id} is {state}: {why}")]
    State {
        /// The id.
        id: JobId,
        /// Its state.
        state: JobState,
        /// What that means for what was asked.
        why: &'static str,
    },
    /// What is stored cannot be read.
    #[error("job {id}: {source}")]
    Decode {
        /// The id.
        id: JobId,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// What should be stored cannot be written.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

fn list(queues: &[QueueName]) -> String {
    queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
}
