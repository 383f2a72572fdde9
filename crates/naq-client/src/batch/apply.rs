//! One letter or job of a batch: what is done with it, so that it can be done again.

use naq_core::retry::Rule;
use naq_core::state::JobState;
use naq_core::transport::{Place, Receipt, Stored, TransportError};
use naq_core::wire::Nonce;

use crate::batch::page::Planned;
use crate::batch::{BatchAction, BatchError};
use crate::{Client, ClientError, JobReport};

/// What became of one.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Done,
    /// It is gone, has begun, or must not be touched now.
    Skipped,
    /// It stays as it was, for this reason.
    Failed(String),
}

/// Whether the next one would fare no better.
pub(super) fn concerns_all(err: &TransportError) -> bool {
    let refused = matches!(err, TransportError::Auth(_) | TransportError::Permission { .. });
    err.is_transient() || refused
}

impl Client {
    /// Does it to one. `fresh` is the message where it has just been read; without it the batch was
    /// broken off and is gone on with, and one that is gone was dealt with then if it shows.
    ///
    /// # Errors
    /// Those that concern all: the broker is away, or refuses everything.
    pub(super) async fn apply(
        &self,
        action: &BatchAction,
        planned: &Planned,
        fresh: Option<&Stored>,
        reason: &str,
    ) -> Result<Fate, BatchError> {
        match self.try_apply(action, planned, fresh, reason).await {
            Ok(true) => Ok(Fate::Done),
            Ok(false) if fresh.is_none() && self.was_applied(action, planned).await? => {
                Ok(Fate::Done)
            }
            Ok(false) | Err(ClientError::State { .. } | ClientError::Unique { .. }) => {
                Ok(Fate::Skipped)
            }
            Err(ClientError::NoJob(_)) => Ok(Fate::Skipped),
            Err(ClientError::Transport(err)) if concerns_all(&err) => Err(err.into()),
            Err(err) => Ok(Fate::Failed(format!("{}: {err}", planned.item.job))),
        }
    }

    async fn try_apply(
        &self,
        action: &BatchAction,
        planned: &Planned,
        fresh: Option<&Stored>,
        reason: &str,
    ) -> Result<bool, ClientError> {
        let place = if action.is_for_dead() { Place::Dead } else { Place::Schedule };
        let stored = match fresh {
            Some(stored) => stored.clone(),
            None => match self.stands_there(&planned.item, place).await? {
                Some(stored) => stored,
                None => return Ok(false),
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

    /// Whether this one shows that it was dealt with before the batch was broken off. What ran and
    /// left no trace since does not.
    async fn was_applied(
        &self,
        action: &BatchAction,
        planned: &Planned,
    ) -> Result<bool, TransportError> {
        let Planned { item, due_at } = planned;
        let found = self.transport.locate(&item.job).await?;
        let life = Nonce::from_requeue(item.seq);
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

    /// Cancels the life that waits there, and no other. False when it has ended.
    async fn cancel_waiting(&self, stored: &Stored, reason: &str) -> Result<bool, ClientError> {
        let report = self.report(&stored.key).await?;
        if report.state.is_final() || report.stored.step().nonce != stored.step().nonce {
            return Ok(false);
        }
        self.end_as_cancelled(report, Rule::Cancel, reason).await?;
        Ok(true)
    }
}
