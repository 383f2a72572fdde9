//! [`BatchError`]: the errors of batches.

use std::str::FromStr;

use naq_core::names::StateKeyError;
use naq_core::transport::TransportError;
use naq_core::wire::EncodeError;

use crate::ClientError;
use crate::batch::id::BatchId;
use crate::batch::item::MAX_SELECTED;
use crate::batch::state::BatchState;

/// The longest part of an invalid id that an error shows, in characters.
const MAX_SHOWN: usize = 80;

/// A batch could not be started, run, or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no batch with this id.
    #[error("no batch {0}: it was never started, or is older than 7 days")]
    NoBatch(BatchId),
    /// The text is not a valid id.
    #[error("invalid batch {0:?}: use up to 40 letters, digits or `-`")]
    Id(String),
    /// The action does not fit the scope.
    #[error("{action} applies to {needs}, not to {scope}")]
    Mismatch {
        /// The action.
        action: &'static str,
        /// What the action applies to.
        needs: &'static str,
        /// The scope that it was given.
        scope: String,
    },
    /// A rate or a span is out of range.
    #[error("{0}")]
    Option(String),
    /// More items are named one by one than fit into an entry.
    #[error("{0} are selected, at most {MAX_SELECTED} can be: use a filter")]
    TooMany(usize),
    /// No letter or job matches the scope.
    #[error("there are no {0}")]
    Nothing(String),
    /// The batch is not in a state that allows this.
    #[error("batch {id} is {state}: {why}")]
    State {
        /// The batch.
        id: BatchId,
        /// Its state.
        state: BatchState,
        /// Why this state does not allow it.
        why: &'static str,
    },
    /// Another process runs it.
    #[error("batch {0} is run by another process: wait for it, or cancel it")]
    Busy(BatchId),
    /// The entry of the batch or of one of its pages cannot be read.
    #[error("batch {0} was written by another version of NAQ: use that version")]
    Unreadable(String),
    /// An action on one of its jobs failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The broker.
    #[error(transparent)]
    Transport(#[from] TransportError),
}

impl FromStr for BatchId {
    type Err = BatchError;

    fn from_str(text: &str) -> Result<Self, BatchError> {
        Self::parse(text).ok_or_else(|| BatchError::Id(text.chars().take(MAX_SHOWN).collect()))
    }
}

impl From<EncodeError> for BatchError {
    fn from(err: EncodeError) -> Self {
        Self::Client(err.into())
    }
}

impl From<StateKeyError> for BatchError {
    fn from(err: StateKeyError) -> Self {
        Self::Transport(TransportError::Rejected {
            what: "the key of a batch".into(),
            reason: err.to_string(),
        })
    }
}
