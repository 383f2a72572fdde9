//! Undo a requeue: remove the new lives that are not due yet, and restore their letters.
//!
//! The undo parks each new life first: it moves the due time far ahead, in one step at the broker, so
//! that the life does not start meanwhile. Then it restores the letter, and removes the life. A crash
//! between two of these steps leaves the life, or the letter and a parked life. The next run of the
//! undo completes them.

use std::collections::HashMap;
use std::time::Duration;

use naq_core::transport::{Fact, FactKind, Place, Stored, TransportError, Written};
use naq_core::wire::{Nonce, Step, WireMessage};

use crate::batch::apply::{ItemOutcome, is_fatal_for_batch};
use crate::batch::entry::Batch;
use crate::batch::error::BatchError;
use crate::batch::id::BatchId;
use crate::batch::letters;
use crate::batch::page::PlannedItem;
use crate::batch::state::BatchState;
use crate::join_bounded::join_bounded;
use crate::{AuditEntry, Client, ClientError};

/// How far ahead undo parks a job while it restores the dead letter. A process that continues the undo
/// parks the job again. If no process continues a crashed undo, the job runs after this time.
const PARK_TIME: Duration = Duration::from_secs(15 * 60);
/// How many times undo reads a job that other processes change meanwhile.
const MAX_READS: usize = 8;

impl Client {
    /// Undoes a requeue for the jobs that are not due yet: each job that still waits becomes a dead
    /// letter again, with its old body and headers. Jobs that are due or have started continue.
    /// Returns the batch as [`Undone`](BatchState::Undone). If `stop` returned true between two pages,
    /// the batch is still undoing, and [`run_batch`](Self::run_batch) continues it.
    ///
    /// # Errors
    /// [`BatchError::State`] for a batch that cannot be undone, or is undone; [`BatchError::Busy`]
    /// while a process runs it: cancel it first; [`BatchError::NoBatch`], [`BatchError::Transport`].
    pub async fn undo_batch(
        &self,
        id: &BatchId,
        who: &str,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Batch, BatchError> {
        loop {
            let mut batch = self.batch(id).await?;
            let now = self.clock.now();
            let refuse = |why| Err(BatchError::State { id: id.clone(), state: batch.state, why });
            match batch.state {
                _ if !batch.action.can_be_undone() => {
                    return refuse("only a requeue can be undone");
                }
                BatchState::Undone => return refuse("there is nothing left to undo"),
                _ if batch.is_busy(now) => return Err(BatchError::Busy(id.clone())),
                BatchState::Undoing => return self.run_batch(id, stop).await,
                _ if !batch.can_be_undone(now) => return refuse("all its jobs are due by now"),
                _ => {}
            }
            batch.state = BatchState::Undoing;
            batch.updated_at = now;
            batch.progress.run = None;
            if self.batch_store().save(&mut batch).await? {
                let words = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
                self.audit(AuditEntry::new(who, "undo", words)).await?;
                return self.run_batch(id, stop).await;
            }
        }
    }

    pub(super) async fn undo_page(&self, batch: &mut Batch) -> Result<(), BatchError> {
        let number = batch.progress.undone_pages;
        // The batch may have worked on one more page than it counts as done: undo that one too.
        let Some(page) = self.batch_store().page(&batch.id, number).await? else {
            batch.state = BatchState::Undone;
            return Ok(());
        };
        let packed = match page.letters() {
            Some((job, blob)) => self.transport.blob_get(&job, &blob).await?,
            None => None,
        };
        let letters: HashMap<u64, WireMessage> =
            packed.as_ref().and_then(letters::unpack).unwrap_or_default().into_iter().collect();
        let outcomes = join_bounded(
            page.items
                .iter()
                .map(|planned| self.undo_item(planned, letters.get(&planned.item.seq))),
        );
        let outcomes =
            outcomes.await.into_iter().map(item_outcome).collect::<Result<Vec<_>, _>>()?;
        for outcome in outcomes {
            match outcome {
                ItemOutcome::Done => batch.undone += 1,
                ItemOutcome::Skipped => {}
                ItemOutcome::Failed(why) => {
                    batch.first_failure.get_or_insert(why);
                }
            }
        }
        batch.progress.undone_pages += 1;
        Ok(())
    }

    /// Undoes one item. The outcome is `Done` also if an earlier run has undone the item, and `Skipped`
    /// if the new life has started.
    async fn undo_item(
        &self,
        planned: &PlannedItem,
        letter: Option<&WireMessage>,
    ) -> Result<ItemOutcome, ClientError> {
        let item = &planned.item;
        let life = planned.next_life();
        let step = letter.map(|letter| letter_step(letter, planned));
        for _ in 0..MAX_READS {
            let found = self.transport.locate(&item.job).await?;
            let waits = |it: &&Stored| it.place == Place::Schedule && it.step().nonce == life;
            let restored = found.iter().find(|it| {
                it.place == Place::Dead && step.as_ref().is_some_and(|step| it.step() == *step)
            });
            let Some(waiting) = found.iter().find(waits) else {
                let has_started = found.iter().any(|it| {
                    matches!(it.place, Place::Queue | Place::Record) && it.step().nonce == life
                });
                return match restored.filter(|restored| !planned.is(restored)) {
                    // An earlier run restored the letter and crashed. The parked life has started
                    // since then, so the letter goes.
                    Some(restored) if has_started => {
                        self.transport.remove(restored).await?;
                        Ok(ItemOutcome::Skipped)
                    }
                    Some(_) => Ok(ItemOutcome::Done),
                    None => Ok(ItemOutcome::Skipped),
                };
            };
            let (Some(letter), Some(step)) = (letter, &step) else {
                return Ok(ItemOutcome::Failed(format!(
                    "{}: its letter is no longer stored",
                    item.job
                )));
            };
            let now = self.clock.now();
            if waiting.due_at.is_none_or(|due_at| due_at < now + PARK_TIME / 2) {
                if self.transport.reschedule(waiting, now + PARK_TIME).await? {
                    continue;
                }
                // Either the life has just become due, or another process has moved it.
                let reread = self.transport.locate(&item.job).await?;
                match reread.iter().find(waits) {
                    Some(it) if it.seq != waiting.seq => continue,
                    _ => return Ok(ItemOutcome::Skipped),
                }
            }
            if restored.is_none()
                && let Err(err) = self.restore_letter(waiting, letter, step).await
            {
                if !err.is_transient() {
                    // The broker refuses the letter: restore the life's due time.
                    let due_at = planned.due_at.unwrap_or_default();
                    let _ = self.transport.reschedule(waiting, due_at).await;
                }
                return Err(err.into());
            }
            if self.transport.remove(waiting).await? {
                if let Ok(job) = waiting.envelope() {
                    // Best effort: if this fails, the next job that wants the key finds no holder.
                    let _ = self.free_unique(&job).await;
                }
                return Ok(ItemOutcome::Done);
            }
        }
        Ok(ItemOutcome::Failed(format!("{}: other processes change it each time", item.job)))
    }

    /// Stores the letter as it was. A repeated call stores no second letter.
    async fn restore_letter(
        &self,
        waiting: &Stored,
        letter: &WireMessage,
        step: &Step,
    ) -> Result<Written, TransportError> {
        let fact = Fact {
            key: waiting.key.clone(),
            kind: FactKind::Dead,
            dedup: format!("{}/{step}/undo-{}", waiting.key, waiting.step().nonce),
            settles: waiting.seq,
            message: letter.clone(),
        };
        self.transport.write(&fact).await
    }
}

/// The outcome of one item. An error that all items would have is returned as an error.
fn item_outcome(outcome: Result<ItemOutcome, ClientError>) -> Result<ItemOutcome, BatchError> {
    match outcome {
        Ok(outcome) => Ok(outcome),
        Err(ClientError::Transport(err)) if is_fatal_for_batch(&err) => Err(err.into()),
        Err(err) => Ok(ItemOutcome::Failed(err.to_string())),
    }
}

/// The step of the letter that was requeued.
fn letter_step(letter: &WireMessage, planned: &PlannedItem) -> Step {
    letter.step().unwrap_or_else(|| Step {
        nonce: Nonce::of_message(planned.item.seq, planned.stored_at.unwrap_or_default()),
        attempt: 1,
        snoozes: 0,
    })
}
