//! Start and cancel a batch.

use std::time::Duration;

use crate::batch::action::BatchAction;
use crate::batch::drip_times::DripTimes;
use crate::batch::entry::{Batch, BatchCursor};
use crate::batch::error::BatchError;
use crate::batch::id::BatchId;
use crate::batch::scope::BatchScope;
use crate::batch::selected_page::PageCursor;
use crate::batch::state::BatchState;
use crate::operate::audit_entry::operator_text;
use crate::{AuditEntry, Client};

/// How long after a requeue its first job becomes due. Until then the requeue can be undone: 10 s.
pub const UNDO_WINDOW: Duration = Duration::from_secs(10);

/// The order for a batch: an action, a scope, who orders it, and why.
///
/// ```no_run
/// # use naq_client::{BatchAction, BatchError, BatchOrder, BatchScope, DeadFilter};
/// # async fn f(client: naq_client::Client) -> Result<(), BatchError> {
/// let scope = BatchScope::Dead(DeadFilter::default());
/// println!("{}", client.preview_batch(&scope).await?.words); // 344 dead letters
/// let action = BatchAction::RequeueDead { per_second: Some(20.0) };
/// let order = BatchOrder::new(action, scope, "ann@desk").reason("the provider is back");
/// let batch = client.start_batch(order).await?;
/// client.run_batch(&batch.id, || false).await?;
/// client.undo_batch(&batch.id, "ann@desk", || false).await?; // while the jobs are not due
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct BatchOrder {
    action: BatchAction,
    scope: BatchScope,
    who: String,
    reason: String,
    undo_window: Duration,
}

impl BatchOrder {
    /// An order by `who`: `user@host`, or a login.
    pub fn new(action: BatchAction, scope: BatchScope, who: impl Into<String>) -> Self {
        Self { action, scope, who: who.into(), reason: String::new(), undo_window: UNDO_WINDOW }
    }

    /// Sets the reason.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// How long after a requeue its first job becomes due. Until then the requeue can be undone.
    /// [`UNDO_WINDOW`] by default. With zero the jobs are due at once, and the requeue cannot be undone.
    #[must_use]
    pub fn undo_window(mut self, window: Duration) -> Self {
        self.undo_window = window;
        self
    }
}

impl Client {
    /// Stores a new batch, and an audit entry. It does not change the jobs:
    /// [`run_batch`](Self::run_batch) does that.
    ///
    /// # Errors
    /// [`BatchError::Mismatch`], [`BatchError::Option`], [`BatchError::TooMany`] for an order that is
    /// not valid, [`BatchError::Nothing`] if nothing matches the scope, [`BatchError::Transport`].
    pub async fn start_batch(&self, order: BatchOrder) -> Result<Batch, BatchError> {
        let BatchOrder { action, scope, who, reason, undo_window } = order;
        action.check(&scope)?;
        let who = operator_text(who);
        let reason = operator_text(reason);
        let preview = self.preview_batch(&scope).await?;
        if preview.is_empty() {
            return Err(BatchError::Nothing(scope.words(None)));
        }
        let now = self.broker_now().await?;
        let audit = AuditEntry::new(&who, action.verb(), &preview.words).reason(&reason);
        self.audit(if preview.exact { audit.count(preview.count) } else { audit }).await?;
        let mut batch = Batch {
            id: BatchId::new(now),
            action,
            scope,
            words: preview.words,
            who,
            reason,
            state: BatchState::Running,
            total: preview.count,
            exact: preview.exact,
            done: 0,
            skipped: 0,
            failed: 0,
            first_failure: None,
            undone: 0,
            started_at: now,
            updated_at: now,
            undo_window_ms: naq_core::clock::millis_up(undo_window),
            last_due_at: None,
            progress: BatchCursor {
                run: None,
                cursor: Some(PageCursor::default()),
                pages: 0,
                undone_pages: 0,
                next_due: now,
                drip_times: DripTimes::default(),
                letters_until: now,
            },
            revision: 0,
        };
        self.batch_store().save(&mut batch).await?;
        Ok(batch)
    }

    /// Cancels a batch: items that are not done stay as they are, and items that are done stay done.
    /// The process that runs it stops after the current page of about a hundred items.
    ///
    /// # Errors
    /// [`BatchError::State`] when it has ended, or an undo runs; [`BatchError::NoBatch`].
    pub async fn cancel_batch(&self, id: &BatchId, who: &str) -> Result<Batch, BatchError> {
        loop {
            let mut batch = self.batch(id).await?;
            if batch.state != BatchState::Running {
                return Err(BatchError::State {
                    id: id.clone(),
                    state: batch.state,
                    why: "there is nothing left to cancel",
                });
            }
            batch.state = BatchState::Cancelled;
            if self.batch_store().save(&mut batch).await? {
                let words = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
                self.audit(AuditEntry::new(who, "cancel", words)).await?;
                return Ok(batch);
            }
        }
    }
}
