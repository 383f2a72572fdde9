//! [`Batch`]: how far it has come.

use std::fmt;
use std::time::Duration;

use naq_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::select::Cursor;
use crate::batch::slots::Slots;
use crate::batch::{BatchAction, BatchId, BatchScope};

/// How long a batch is known: 7 days after it was last worked on.
pub const BATCH_TTL: Duration = Duration::from_secs(7 * 86_400);
/// Nobody runs a batch that was not worked on for so long.
pub const STALE_AFTER: Duration = Duration::from_secs(30);

/// Where a batch stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchState {
    /// Being worked on, or about to be.
    Running,
    /// Nobody has worked on it for [`STALE_AFTER`]: [`run_batch`](crate::Client::run_batch) goes on.
    /// Never stored.
    Stopped,
    /// All is done.
    Done,
    /// What had not been done by then stays as it was.
    Cancelled,
    /// What was done is being taken back.
    Undoing,
    /// All that was not yet due is as it was.
    Undone,
}

impl fmt::Display for BatchState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Done => "done",
            Self::Cancelled => "cancelled",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        })
    }
}

/// One action on many, tracked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its name.
    pub id: BatchId,
    /// What is done.
    pub action: BatchAction,
    /// On what.
    pub scope: BatchScope,
    /// The scope in words, with the count.
    pub words: String,
    /// Who asked for it.
    pub who: String,
    /// Why; empty where nobody said.
    #[serde(default)]
    pub reason: String,
    /// Where it stands.
    pub state: BatchState,
    /// How many were counted when it began.
    pub total: u64,
    /// Whether there are exactly so many; else there may be more.
    pub exact: bool,
    /// Done so far.
    #[serde(default)]
    pub done: u64,
    /// Gone meanwhile, begun, or not to be touched now.
    #[serde(default)]
    pub skipped: u64,
    /// Not done: the broker refused, or they cannot be read.
    #[serde(default)]
    pub failed: u64,
    /// Why the first of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    /// Taken back by an undo.
    #[serde(default)]
    pub undone: u64,
    /// When it was started.
    pub started_at: Timestamp,
    /// When it was last worked on.
    pub updated_at: Timestamp,
    /// How long nothing of a requeue is due, from the moment that it is done.
    pub undo_window_ms: u64,
    /// When the last of a requeue is due: until then there may be something to undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due_at: Option<Timestamp>,
    /// How far it has come.
    pub(super) progress: Progress,
    /// Which version of the entry this is.
    #[serde(skip)]
    pub(super) revision: u64,
}

/// Where to go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The run that works on it; nobody before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    /// Where the next page begins; none after the last.
    pub(super) cursor: Option<Cursor>,
    /// Pages done.
    pub(super) pages: u64,
    /// Pages taken back.
    pub(super) undone_pages: u64,
    /// The time that the next one gets, at a rate.
    pub(super) next_due: Timestamp,
    /// The slots that are taken, where nobody may come early.
    #[serde(default)]
    pub(super) slots: Slots,
    /// Letters that came later, by the broker's clock, are not meant.
    pub(super) letters_until: Timestamp,
}

impl Batch {
    /// Where it stands now: one that says it runs, and was not worked on for a while, has stopped.
    pub fn state_at(&self, now: Timestamp) -> BatchState {
        let alive = now.since(self.updated_at) < STALE_AFTER;
        match self.state {
            BatchState::Running if !alive => BatchState::Stopped,
            state => state,
        }
    }

    /// Whether an [undo](crate::Client::undo_batch) may find something that is not yet due.
    pub fn can_be_undone(&self, now: Timestamp) -> bool {
        let state =
            matches!(self.state, BatchState::Done | BatchState::Cancelled | BatchState::Running);
        state && self.action.can_be_undone() && self.last_due_at.is_some_and(|due_at| due_at > now)
    }

    /// The share that is dealt with, 0 to 1.
    pub fn share(&self) -> f64 {
        let dealt = self.done + self.skipped + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
        let share = dealt as f64 / self.total.max(1) as f64;
        if self.state == BatchState::Running { share.min(1.0) } else { 1.0 }
    }
}
