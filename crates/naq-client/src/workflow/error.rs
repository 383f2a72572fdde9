//! [`WorkflowError`]: the errors of workflows.

use naq_core::flow::GraphError;
use naq_core::names::{JobId, JobKey, NameError};
use naq_core::transport::TransportError;

use crate::{ClientError, EnqueueError};

/// A workflow could not be started, read or cancelled.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// Its jobs and edges are not a graph that can run.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its id, or the id of one of its jobs, is not valid.
    #[error(transparent)]
    Name(#[from] NameError),
    /// One of its jobs cannot be enqueued.
    #[error("job {name:?}: {source}")]
    Job {
        /// The job's name in the workflow.
        name: String,
        /// Why.
        source: EnqueueError,
    },
    /// A job of another origin has the id of one of its jobs.
    #[error("job {name:?}: there is a job {key} already, which is not part of this workflow")]
    Occupied {
        /// The job's name in the workflow.
        name: String,
        /// The existing job.
        key: JobKey,
    },
    /// Another workflow has this id.
    #[error("workflow {0} has other jobs: choose another id")]
    Taken(JobId),
    /// A process crashed while it started the workflow, so long ago that its jobs may be cancelled
    /// already.
    #[error("workflow {0} was partly started by a process that crashed: choose another id")]
    Abandoned(JobId),
    /// It was cancelled during the start.
    #[error("workflow {0} was cancelled")]
    Cancelled(JobId),
    /// There is no workflow with this id.
    #[error("no workflow {0}: it was never started, or more than 30 days ago")]
    Unknown(JobId),
    /// Its manifest cannot be read.
    #[error("workflow {id}: {reason}")]
    Unreadable {
        /// The workflow's id.
        id: JobId,
        /// Why it cannot be read.
        reason: String,
    },
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl From<ClientError> for WorkflowError {
    fn from(err: ClientError) -> Self {
        match err {
            ClientError::Transport(err) => Self::Transport(err),
            other => Self::Transport(TransportError::Rejected {
                what: "change a job of the workflow".into(),
                reason: other.to_string(),
            }),
        }
    }
}
