//! Do the action of a batch to one item, in a way that can be repeated.

use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{Place, Receipt, Stored, TransportError};

use crate::batch::action::BatchAction;
use crate::batch::error::BatchError;
use crate::batch::page::PlannedItem;
use crate::batch::selected_page::find_unchanged;
use crate::{Client, ClientError, JobReport};

/// The outcome for one item.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ItemOutcome {
    Done,
    /// It is gone, has started, or must not be changed now.
    Skipped,
    /// It stays as it was. Contains the reason.
    Failed(String),
}

/// True for an error that all other items would have too.
pub(super) fn is_fatal_for_batch(err: &TransportError) -> bool {
    let refused = matches!(err, TransportError::Auth(_) | TransportError::Permission { .. });
    err.is_transient() || refused
}

impl Client {
    /// Does the action to one item. `fresh` is its message, if it has just been read. Without it,
    /// this run continues a crashed run, which may have acted on the item already.
    ///
    /// # Errors
    /// Errors that all items would have: the broker does not answer, or refuses all requests.
    pub(super) async fn apply(
        &self,
        action: &BatchAction,
        planned: &PlannedItem,
        fresh: Option<&Stored>,
        reason: &str,
    ) -> Result<ItemOutcome, BatchError> {
        match self.apply_once(action, planned, fresh, reason).await {
            Ok(true) => Ok(ItemOutcome::Done),
            Ok(false) if fresh.is_none() && self.was_applied(action, planned).await? => {
                Ok(ItemOutcome::Done)
            }
            Ok(false) | Err(ClientError::State { .. } | ClientError::Unique { .. }) => {
                Ok(ItemOutcome::Skipped)
            }
            Err(ClientError::NoJob(_)) => Ok(ItemOutcome::Skipped),
            Err(ClientError::Transport(err)) if is_fatal_for_batch(&err) => Err(err.into()),
            Err(err) => Ok(ItemOutcome::Failed(format!("{}: {err}", planned.item.job))),
        }
    }

    async fn apply_once(
        &self,
        action: &BatchAction,
        planned: &PlannedItem,
        fresh: Option<&Stored>,
        reason: &str,
    ) -> Result<bool, ClientError> {
        // A cancel may be of a job that is in its queue.
        let places: &[Place] = match action {
            _ if action.is_for_dead() => &[Place::Dead],
            BatchAction::Cancel => &[Place::Schedule, Place::Queue],
            _ => &[Place::Schedule],
        };
        let stored = match fresh {
            Some(stored) => stored.clone(),
            None => match self.find_planned(planned, places).await? {
                Some(stored) if planned.is(&stored) => stored,
                _ => return Ok(false),
            },
        };
        Ok(match action {
            BatchAction::RequeueDead { .. } => {
                self.requeue_at(&stored, planned.due_at).await? != Receipt::Duplicate
            }
            BatchAction::PurgeDead => self.purge_dead(&stored).await?,
            BatchAction::Release => self.transport.release(&stored).await?,
            BatchAction::Spread { .. } | BatchAction::Drip { .. } => {
                let due_at = planned.due_at.unwrap_or_default();
                self.transport.reschedule(&stored, due_at).await?
            }
            BatchAction::Cancel => self.cancel_waiting(&stored, reason).await?,
        })
    }

    async fn find_planned(
        &self,
        planned: &PlannedItem,
        places: &[Place],
    ) -> Result<Option<Stored>, TransportError> {
        for place in places {
            let found = find_unchanged(&*self.transport, &planned.item, *place).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// True if the messages of the job show that the crashed run has acted on it. False if the job has
    /// run since then and has no messages any more.
    async fn was_applied(
        &self,
        action: &BatchAction,
        planned: &PlannedItem,
    ) -> Result<bool, TransportError> {
        let PlannedItem { item, due_at, .. } = planned;
        let found = self.transport.locate(&item.job).await?;
        let life = planned.next_life();
        let next_life = found.iter().any(|it| it.step().nonce == life);
        Ok(match action {
            BatchAction::RequeueDead { .. } => next_life,
            BatchAction::PurgeDead => !next_life,
            BatchAction::Spread { .. } | BatchAction::Drip { .. } => {
                found.iter().any(|it| it.place == Place::Schedule && it.due_at == *due_at)
            }
            BatchAction::Release => JobReport::resolve(&found).is_some_and(|report| {
                let waits = matches!(report.state, JobState::Scheduled | JobState::Blocked);
                !waits && report.state != JobState::Cancelled
            }),
            BatchAction::Cancel => {
                JobReport::resolve(&found).is_some_and(|report| report.state == JobState::Cancelled)
            }
        })
    }

    /// Cancels the life that waits, and no other. False when it has ended.
    async fn cancel_waiting(&self, stored: &Stored, reason: &str) -> Result<bool, ClientError> {
        let report = self.report(&stored.key).await?;
        if report.state.is_final() || report.stored.step().nonce != stored.step().nonce {
            return Ok(false);
        }
        self.write_cancelled(report, Rule::Cancel, reason).await?;
        Ok(true)
    }
}
