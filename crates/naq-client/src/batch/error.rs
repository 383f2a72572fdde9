//! [`BatchError`].

use naq_core::transport::{StateKeyError, TransportError};
use naq_core::wire::EncodeError;

use crate::ClientError;
use crate::batch::{BatchId, BatchState, MAX_SELECTED};

/// A batch that cannot be started, run, or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is none of this name.
    #[error("no batch {0}: it was never started, or is older than 7 days")]
    NoBatch(BatchId),
    /// A text that names none.
    #[error("invalid batch {0:?}: use up to 40 letters, digits or `-`")]
    Id(String),
    /// The action does not go with the scope.
    #[error("{action} goes with {needs}, not with {scope}")]
    Mismatch {
        /// The action.
        action: &'static str,
        /// What it goes with.
        needs: &'static str,
        /// What it was given.
        scope: String,
    },
    /// A rate or a span that is none.
    #[error("{0}")]
    Option(String),
    /// More are named one by one than fit into an entry.
    #[error("{0} are selected, at most {MAX_SELECTED} can be: use a filter")]
    TooMany(usize),
    /// Nothing fits.
    #[error("there are no {0}")]
    Nothing(String),
    /// It is not in a state in which this can be done.
    #[error("batch {id} is {state}: {why}")]
    State {
        /// Which.
        id: BatchId,
        /// Its state.
        state: BatchState,
        /// What that means for what was asked.
        why: &'static str,
    },
    /// Somebody else runs it.
    #[error("batch {0} is being run by another process; look at it, or cancel it")]
    Busy(BatchId),
    /// Its entry, or that of a page, cannot be read.
    #[error("batch {0} was written by another version of NAQ; use that version")]
    Unreadable(String),
    /// One of its jobs.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl BatchError {
    pub(super) fn id(text: &str) -> Self {
        Self::Id(text.chars().take(80).collect())
    }
}

impl From<EncodeError> for BatchError {
    fn from(err: EncodeError) -> Self {
        Self::Client(err.into())
    }
}

impl From<StateKeyError> for BatchError {
    fn from(err: StateKeyError) -> Self {
        let (what, reason) = ("the key of a batch".into(), err.to_string());
        Self::Transport(TransportError::Rejected { what, reason })
    }
}
