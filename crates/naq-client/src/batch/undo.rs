//! Undo: the lives of a requeue that still wait are taken back, and their letters stand again.
//!
//! A life is moved far ahead first, in one step at the broker: from then on it does not begin while
//! the letter is written, and after that it is removed. Whoever dies between two of the three leaves
//! the life, or the letter and a life that waits for a quarter of an hour; going on finishes it.

use std::collections::HashMap;
use std::time::Duration;

use naq_core::transport::{Fact, FactKind, Place, Stored, TransportError, Written};
use naq_core::wire::{Nonce, Step, WireMessage};

use crate::batch::apply::{Fate, concerns_all};
use crate::batch::page::Planned;
use crate::batch::state::{Batch, BatchState};
use crate::batch::{BatchError, BatchId, letters};
use crate::together::together;
use crate::{AuditEntry, Client, ClientError};

/// How far ahead a life is moved that is taken back, and again by whoever goes on with an undo. One
/// that nobody goes on with by then lets its jobs run all the same.
const HELD: Duration = Duration::from_secs(15 * 60);
/// How often one is looked at anew that changes under the hand.
const LOOKS: usize = 8;

impl Client {
    /// Takes back what of a requeue is not yet due: each job that still waits is a dead letter again,
    /// with the body and the headers that it had. What is due or has begun goes on. Returns the
    /// batch, [`Undone`](BatchState::Undone), or still undoing where `stop` said so between two
    /// pages: [`run_batch`](Self::run_batch) goes on with that.
    ///
    /// # Errors
    /// [`BatchError::State`] for what cannot be undone, or has been; [`BatchError::Busy`] while it
    /// is being run: cancel it first; [`BatchError::NoBatch`], [`BatchError::Transport`].
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
                _ if !batch.can_be_undone(now) => return refuse("all that was done is due by now"),
                _ => {}
            }
            batch.state = BatchState::Undoing;
            batch.updated_at = now;
            batch.progress.run = None;
            if self.save_batch(&mut batch).await? {
                let words = format!("batch {id}: {} {}", batch.action.verb(), batch.words);
                self.audit(AuditEntry::new(who, "undo", words)).await?;
                return self.run_batch(id, stop).await;
            }
        }
    }

    pub(super) async fn undo_page(&self, batch: &mut Batch) -> Result<(), BatchError> {
        let number = batch.progress.undone_pages;
        // The one after the last may have been begun.
        let Some(page) = self.batch_page(&batch.id, number).await? else {
            batch.state = BatchState::Undone;
            return Ok(());
        };
        let packed = match page.letters() {
            Some((job, blob)) => self.transport.blob_get(&job, &blob).await?,
            None => None,
        };
        let kept: HashMap<u64, WireMessage> =
            packed.as_ref().and_then(letters::unpack).unwrap_or_default().into_iter().collect();
        let fates = together(
            page.items.iter().map(|planned| self.take_back(planned, kept.get(&planned.item.seq))),
        );
        let fates = fates.await.into_iter().map(settled).collect::<Result<Vec<_>, _>>()?;
        for fate in fates {
            match fate {
                Fate::Done => batch.undone += 1,
                Fate::Skipped => {}
                Fate::Failed(why) => {
                    batch.first_failure.get_or_insert(why);
                }
            }
        }
        batch.progress.undone_pages += 1;
        Ok(())
    }

    /// Takes one life back. Done also when an earlier try has done it; skipped where it has begun.
    async fn take_back(
        &self,
        planned: &Planned,
        letter: Option<&WireMessage>,
    ) -> Result<Fate, ClientError> {
        let item = &planned.item;
        let life = Nonce::from_requeue(item.seq);
        let step = letter.map(|letter| letter_step(letter, item.seq));
        for _ in 0..LOOKS {
            let found = self.transport.locate(&item.job).await?;
            let waits = |it: &&Stored| it.place == Place::Schedule && it.step().nonce == life;
            let standing = found.iter().find(|it| {
                it.place == Place::Dead && step.as_ref().is_some_and(|step| it.step() == *step)
            });
            let Some(waiting) = found.iter().find(waits) else {
                let begun = found.iter().any(|it| {
                    matches!(it.place, Place::Queue | Place::Record) && it.step().nonce == life
                });
                return match standing.filter(|standing| standing.seq > item.seq) {
                    // The undo was broken off for so long that the life has begun all the same.
                    Some(standing) if begun => {
                        self.transport.remove(standing).await?;
                        Ok(Fate::Skipped)
                    }
                    Some(_) => Ok(Fate::Done),
                    None => Ok(Fate::Skipped),
                };
            };
            let (Some(letter), Some(step)) = (letter, &step) else {
                return Ok(Fate::Failed(format!("{}: its letter is kept no longer", item.job)));
            };
            let now = self.clock.now();
            if waiting.due_at.is_none_or(|due_at| due_at < now + HELD / 2) {
                if self.transport.reschedule(waiting, now + HELD).await? {
                    continue;
                }
                // So near its time that it comes; or it was moved by somebody else.
                let again = self.transport.locate(&item.job).await?;
                match again.iter().find(waits) {
                    Some(it) if it.seq != waiting.seq => continue,
                    _ => return Ok(Fate::Skipped),
                }
            }
            if standing.is_none()
                && let Err(err) = self.restore(waiting, letter, step).await
            {
                if !err.is_transient() {
                    // The letter may not be written: the life comes when it would have come.
                    let due_at = planned.due_at.unwrap_or_default();
                    let _ = self.transport.reschedule(waiting, due_at).await;
                }
                return Err(err.into());
            }
            if self.transport.remove(waiting).await? {
                if let Ok(job) = waiting.envelope() {
                    // Also free without this, for whoever wants it next: nothing is left of the life.
                    let _ = self.free_unique(&job).await;
                }
                return Ok(Fate::Done);
            }
        }
        Ok(Fate::Failed(format!("{}: others change it all the time", item.job)))
    }

    /// Writes the letter as it was, once.
    async fn restore(
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

/// What became of one, unless it is an error that concerns all.
fn settled(fate: Result<Fate, ClientError>) -> Result<Fate, BatchError> {
    match fate {
        Ok(fate) => Ok(fate),
        Err(ClientError::Transport(err)) if concerns_all(&err) => Err(err.into()),
        Err(err) => Ok(Fate::Failed(err.to_string())),
    }
}

/// The step of a letter that had this sequence.
fn letter_step(letter: &WireMessage, seq: u64) -> Step {
    letter.step().unwrap_or_else(|| Step {
        nonce: Nonce::from_sequence(seq),
        attempt: 1,
        snoozes: 0,
    })
}
