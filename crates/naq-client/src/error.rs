//! What can go wrong between a program and its jobs.

use naq_core::names::{JobId, NameError, QueueName, WorkerId};
use naq_core::retry::PolicyError;
use naq_core::state::JobState;
use naq_core::transport::{JobKey, TransportError};
use naq_core::wire::{DecodeError, EncodeError};

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
    /// A job that this one should wait for is nowhere.
    #[error("no job {0} to wait for: it was never enqueued, or its record has expired")]
    UnknownDependency(JobKey),
    /// A job that this one should wait for keeps no record, so nothing would tell of its end.
    #[error(
        "job {0} keeps no record (record_ttl is zero): give it one, so that others can wait for it"
    )]
    RecordlessDependency(JobKey),
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
    /// No worker of this id is in the directory.
    #[error("no worker {0}: it has stopped, or was silent for too long; see `naq workers`")]
    NoWorker(WorkerId),
    /// Another job holds the key that makes this one unique.
    #[error("job {id} needs the unique key {key:?}, which job {holder} holds: wait for its end")]
    Unique {
        /// The id.
        id: JobId,
        /// The key.
        key: String,
        /// Who holds it.
        holder: JobKey,
    },
    /// A job that this one depended on has left it no result.
    #[error("no result of {job}: {why}")]
    NoResult {
        /// The job, as it was asked for.
        job: String,
        /// Why there is none.
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
