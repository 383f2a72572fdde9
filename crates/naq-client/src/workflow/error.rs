//! What can go wrong with a workflow.

use naq_core::flow::GraphError;
use naq_core::names::{JobId, NameError};
use naq_core::transport::{JobKey, TransportError};

use crate::{ClientError, EnqueueError};

/// A workflow that was not started, or cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowError {
    /// Its jobs and edges are no graph that could run.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// Its id, or that of one of its jobs, is none.
    #[error(transparent)]
    Name(#[from] NameError),
    /// One of its jobs cannot be enqueued.
    #[error("job {name:?}: {source}")]
    Job {
        /// Its name.
        name: String,
        /// Why.
        source: EnqueueError,
    },
    /// Another job stands where one of its own should.
    #[error("job {name:?}: there is a job {key} already, which is no part of this workflow")]
    Occupied {
        /// Its name in the workflow.
        name: String,
        /// The job that is there.
        key: JobKey,
    },
    /// Another workflow has this id.
    #[error("workflow {0} has other jobs: choose another id")]
    Taken(JobId),
    /// Somebody began to start it and died; by now its jobs have given up waiting for the rest.
    #[error("workflow {0} was begun by a process that died: choose another id")]
    Abandoned(JobId),
    /// It was cancelled while it was being started.
    #[error("workflow {0} was cancelled")]
    Cancelled(JobId),
    /// There is none of this id.
    #[error("no workflow {0}: it was never started, or it was 30 days ago")]
    Unknown(JobId),
    /// What is noted of it cannot be read.
    #[error("workflow {id}: {reason}")]
    Unreadable {
        /// Its id.
        id: JobId,
        /// What is wrong.
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
