//! [`EnqueueError`], [`ClientError`]: the errors of enqueues and of other calls.

use naq_core::names::{JobId, JobKey, NameError, QueueName, WorkerId};
use naq_core::retry::PolicyError;
use naq_core::state::JobState;
use naq_core::transport::TransportError;
use naq_core::wire::{DecodeError, EncodeError};

/// A job could not be enqueued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The name of its queue or task, or its id, is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The retry options contradict each other or are out of range.
    #[error("retry policy: {0}")]
    Policy(#[from] PolicyError),
    /// Another option is out of range.
    #[error("{0}")]
    Option(String),
    /// A layer of the client refused the job: see [`Client::layer`](crate::Client::layer).
    #[error("{0}")]
    Layer(String),
    /// The broker does not know a job that this one shall wait for.
    #[error("no job {0} to wait for: it was never enqueued, or its record has expired")]
    UnknownDependency(JobKey),
    /// A job that this one shall wait for keeps no record, so its end would not be known.
    #[error(
        "job {0} keeps no record (record_ttl is zero): set a record_ttl, so that other jobs can wait for it"
    )]
    RecordlessDependency(JobKey),
    /// The job cannot be encoded, or is too large.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker did not store the job. After a timeout it may have: enqueue the job again with the
    /// same id.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

/// A job could not be read, or an action on it failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// No queue has a message of this job.
    #[error("no job {0}: it was never enqueued, or its record has expired")]
    NoJob(JobId),
    /// The same id is in several queues.
    #[error("job {id} is in several queues: {}; say which", list(.queues))]
    Ambiguous {
        /// The id.
        id: JobId,
        /// The queues that have a job with this id.
        queues: Vec<QueueName>,
    },
    /// The job is not in a state that allows this.
    #[error("job {id} is {state}: {why}")]
    State {
        /// The id.
        id: JobId,
        /// Its state.
        state: JobState,
        /// Why this state does not allow it.
        why: &'static str,
    },
    /// The directory has no worker with this id.
    #[error("no worker {0}: it has stopped, or sent no heartbeat for too long")]
    NoWorker(WorkerId),
    /// Another job holds the key that makes this one unique.
    #[error(
        "job {id} needs the unique key {key:?}, which job {holder} holds: wait for the end of that job"
    )]
    Unique {
        /// The id.
        id: JobId,
        /// The key.
        key: String,
        /// The job that holds the key.
        holder: JobKey,
    },
    /// A job that this one depended on has no result.
    #[error("no result of {job}: {why}")]
    NoResult {
        /// The job, as the caller named it.
        job: String,
        /// Why it has no result.
        why: &'static str,
    },
    /// The stored job cannot be decoded.
    #[error("job {id}: {source}")]
    Decode {
        /// The id.
        id: JobId,
        /// Why it cannot be decoded.
        source: DecodeError,
    },
    /// The job cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

fn list(queues: &[QueueName]) -> String {
    queues.iter().map(QueueName::as_str).collect::<Vec<_>>().join(", ")
}
