//! [`Settlement`]: what a relay writes into a row that it has taken.

use std::time::Duration;

use serde::Serialize;

use crate::RowState;

/// What a relay writes into a row that it has taken. The row is free again after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settlement {
    pub(crate) seq: i64,
    pub(crate) state: RowState,
    /// For how long no relay takes it.
    pub(crate) wait_ms: u64,
    /// 1 if the broker refused it.
    pub(crate) refused: u8,
    pub(crate) error: Option<String>,
    /// Whether it is certain that the broker does not have the job.
    pub(crate) not_stored: bool,
}

impl Settlement {
    pub(crate) fn published(seq: i64) -> Self {
        let state = RowState::Published;
        Self { seq, state, wait_ms: 0, refused: 0, error: None, not_stored: false }
    }

    /// The relay did not send it.
    pub(crate) fn given_back(seq: i64, was_offered: bool) -> Self {
        let state = RowState::Pending;
        Self { seq, state, wait_ms: 0, refused: 0, error: None, not_stored: !was_offered }
    }

    /// The broker may have it: it did not answer.
    pub(crate) fn unanswered(seq: i64, wait: Duration, error: String) -> Self {
        let wait_ms = millis(wait);
        let state = RowState::Pending;
        Self { seq, state, wait_ms, refused: 0, error: Some(error), not_stored: false }
    }

    /// The broker refused it now, and may take it later.
    pub(crate) fn refused(seq: i64, wait: Duration, error: String) -> Self {
        let wait_ms = millis(wait);
        let state = RowState::Pending;
        Self { seq, state, wait_ms, refused: 1, error: Some(error), not_stored: true }
    }

    /// The broker will never take it.
    pub(crate) fn failed(seq: i64, error: String) -> Self {
        let state = RowState::Failed;
        Self { seq, state, wait_ms: 0, refused: 1, error: Some(error), not_stored: true }
    }

    /// The broker may have had it, and nothing is left to tell.
    pub(crate) fn unclear(seq: i64, error: String) -> Self {
        let state = RowState::Unclear;
        Self { seq, state, wait_ms: 0, refused: 0, error: Some(error), not_stored: false }
    }

    pub(crate) fn is_published(&self) -> bool {
        self.state == RowState::Published
    }

    pub(crate) fn is_unanswered(&self) -> bool {
        self.state == RowState::Pending && self.refused == 0 && self.error.is_some()
    }
}

fn millis(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
}
