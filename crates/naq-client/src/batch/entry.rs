//! [`Batch`]: the entry of a batch in the state store.

use std::time::Duration;

use naq_core::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch::action::BatchAction;
use crate::batch::drip_times::DripTimes;
use crate::batch::id::BatchId;
use crate::batch::scope::BatchScope;
use crate::batch::selected_page::PageCursor;
use crate::batch::state::BatchState;

/// How long the entry of a batch is stored after the last work on it: 7 days.
pub const BATCH_TTL: Duration = Duration::from_secs(7 * 86_400);
/// A batch counts as stopped when no process has worked on it for this time.
pub const STALE_AFTER: Duration = Duration::from_secs(30);

/// One action on many jobs, with its progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: BatchId,
    /// The action.
    pub action: BatchAction,
    /// The jobs or letters that the action changes.
    pub scope: BatchScope,
    /// The scope in words, with the count.
    pub words: String,
    /// Who started it.
    pub who: String,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
    /// Its state.
    pub state: BatchState,
    /// How many items were counted at the start.
    pub total: u64,
    /// True if `total` is exact. If false, there may be more items.
    pub exact: bool,
    /// How many items are done.
    #[serde(default)]
    pub done: u64,
    /// How many items were gone, had started, or must not be changed now.
    #[serde(default)]
    pub skipped: u64,
    /// How many items failed: the broker refused them, or they cannot be read.
    #[serde(default)]
    pub failed: u64,
    /// Why the first of these failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<String>,
    /// How many items an undo has taken back.
    #[serde(default)]
    pub undone: u64,
    /// When it was started.
    pub started_at: Timestamp,
    /// When a process last worked on it.
    pub updated_at: Timestamp,
    /// How long after a requeue its first job becomes due, in milliseconds.
    pub undo_window_ms: u64,
    /// When the last requeued job is due. Until then an undo may find jobs that are not due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_due_at: Option<Timestamp>,
    /// Where the next run continues.
    pub(super) progress: BatchCursor,
    /// The revision of the entry.
    #[serde(skip)]
    pub(super) revision: u64,
}

/// Where the next run of a batch continues.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct BatchCursor {
    /// The id of the run that works on it; `None` if no run does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<String>,
    /// Where the next page starts; `None` after the last page.
    pub(super) cursor: Option<PageCursor>,
    /// How many pages are done.
    pub(super) pages: u64,
    /// How many pages an undo has taken back.
    pub(super) undone_pages: u64,
    /// With a rate: the due time of the next item.
    pub(super) next_due: Timestamp,
    /// For a drip: the due times that are taken.
    #[serde(default, rename = "slots")]
    pub(super) drip_times: DripTimes,
    /// Letters that were stored later, by the broker's clock, are not included.
    pub(super) letters_until: Timestamp,
}

impl Batch {
    /// Its state at `now`: a running batch that no process has worked on for a while has stopped.
    pub fn state_at(&self, now: Timestamp) -> BatchState {
        let alive = self.is_fresh(now);
        match self.state {
            BatchState::Running if !alive => BatchState::Stopped,
            state => state,
        }
    }

    /// True if a process works on it now.
    pub fn is_busy(&self, now: Timestamp) -> bool {
        self.progress.run.is_some() && self.is_fresh(now)
    }

    /// Whether it was stored lately. A time in the future was stored while a clock was wrong.
    fn is_fresh(&self, now: Timestamp) -> bool {
        now.since(self.updated_at) < STALE_AFTER && self.updated_at.since(now) < STALE_AFTER
    }

    /// True if an [undo](crate::Client::undo_batch) may find jobs that are not due yet.
    pub fn can_be_undone(&self, now: Timestamp) -> bool {
        let state =
            matches!(self.state, BatchState::Done | BatchState::Cancelled | BatchState::Running);
        state && self.action.can_be_undone() && self.last_due_at.is_some_and(|due_at| due_at > now)
    }

    /// The share of items that are done, skipped or failed, 0 to 1.
    pub fn share(&self) -> f64 {
        let dealt = self.done + self.skipped + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "a share for people needs no precision")]
        let share = dealt as f64 / self.total.max(1) as f64;
        if self.state == BatchState::Running { share.min(1.0) } else { 1.0 }
    }
}
