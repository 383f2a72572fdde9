//! Start, cancel: what is said about a batch, and written down.

use std::time::Duration;

use crate::batch::select::Cursor;
use crate::batch::slots::Slots;
use crate::batch::state::{Batch, BatchState, Progress};
use crate::batch::{BatchAction, BatchError, BatchId, BatchScope};
use crate::operate::audit::operator_text;
use crate::{AuditEntry, Client};

/// How long nothing of a requeue is due, so that it can be undone: 10 s.
pub const UNDO_WINDOW: Duration = Duration::from_secs(10);

/// What is asked for: an action, on what, by whom, and why.
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
/// client.undo_batch(&batch.id, "ann@desk", || false).await?; // while it is not due
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
    /// By `who`: `user@host`, or a login.
    pub fn new(action: BatchAction, scope: BatchScope, who: impl Into<String>) -> Self {
        let (who, reason) = (who.into(), String::new());
        Self { action, scope, who, reason, undo_window: UNDO_WINDOW }
    }

    /// Why.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.reason = reason.into();
        self
    }

    /// How long nothing of a requeue is due, so that it can be undone; [`UNDO_WINDOW`] by default.
    /// With zero it is due at once, and not undone.
    #[must_use]
    pub fn undo_window(mut self, window: Duration) -> Self {
        self.undo_window = window;
        self
    }
}

impl Client {
    /// Writes a batch down, in the audit log too. Nothing is done by this:
    /// [`run_batch`](Self::run_batch) does it.
    ///
    /// # Errors
    /// [`BatchError::Mismatch`], [`BatchError::Option`], [`BatchError::TooMany`] for an order that
    /// makes no sense, [`BatchError::Nothing`] when nothing fits, [`BatchError::Transport`].
    pub async fn start_batch(&self, order: BatchOrder) -> Result<Batch, BatchError> {
        let BatchOrder { action, scope, who, reason, undo_window } = order;
        action.check(&scope)?;
        let (who, reason) = (operator_text(who), operator_text(reason));
        let preview = self.preview_batch(&scope).await?;
        if preview.count == 0 && (preview.exact || !scope.is_dead()) {
            return Err(BatchError::Nothing(scope.words(None)));
        }
        let (now, letters_until) = (self.clock.now(), self.broker_clock().await?.now);
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
            progress: Progress {
                run: None,
                cursor: Some(Cursor::default()),
                pages: 0,
                undone_pages: 0,
                next_due: now,
                slots: Slots::default(),
                letters_until,
            },
            revision: 0,
        };
        self.save_batch(&mut batch).await?;
        Ok(batch)
    }

    /// Stops what of a batch has not been done; what has been done stays done. Whoever runs it stops
    /// within the page that it is at, about a hundred.
    ///
    /// # Errors
    /// [`BatchError::State`] when it has ended, or is being undone; [`BatchError::NoBatch`].
    pub async fn cancel_batch(&self, id: &BatchId, who: &str) -> Result<Batch, BatchError> {
        loop {
            let mut batch = self.batch(id).await?;
            if batch.state != BatchState::Running {
                let (id, state) = (id.clone(), batch.state);
                let why = "there is nothing left to cancel";
                return Err(BatchError::State { id, state, why });
            }
            batch.state = BatchState::Cancelled;
            if self.save_batch(&mut batch).await? {
                let words = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
                self.audit(AuditEntry::new(who, "cancel", words)).await?;
                return Ok(batch);
            }
        }
    }
}
