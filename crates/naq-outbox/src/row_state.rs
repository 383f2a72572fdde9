//! [`RowState`]: where a row of the outbox stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a row stands.
///
/// ```
/// use naq_outbox::RowState;
///
/// assert_eq!("failed".parse(), Ok(RowState::Failed));
/// assert!(RowState::Failed.is_stopped());
/// assert!(!RowState::Published.is_stopped());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowState {
    /// A relay will publish it.
    Pending,
    /// The broker has the job.
    Published,
    /// The broker does not have the job, and no relay tries again: an operator decides.
    Failed,
    /// The broker may have had the job, and so long ago that nothing is left to tell: an operator decides.
    Unclear,
    /// An operator has given it up.
    Discarded,
}

/// A text names no state of a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0:?}; known: pending, published, failed, unclear, discarded")]
pub struct UnknownRowState(String);

impl RowState {
    /// Every state.
    pub const ALL: [Self; 5] =
        [Self::Pending, Self::Published, Self::Failed, Self::Unclear, Self::Discarded];

    /// Its name, as the column `state` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Published => "published",
            Self::Failed => "failed",
            Self::Unclear => "unclear",
            Self::Discarded => "discarded",
        }
    }

    /// Whether the row waits for an operator. It then stops the later rows of its order key.
    pub fn is_stopped(self) -> bool {
        matches!(self, Self::Failed | Self::Unclear)
    }
}

impl fmt::Display for RowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RowState {
    type Err = UnknownRowState;

    fn from_str(text: &str) -> Result<Self, UnknownRowState> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| UnknownRowState(text.chars().take(40).collect()))
    }
}
