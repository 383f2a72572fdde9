//! Run a batch, page by page.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{BlobRef, Stored};
use naq_core::wire::Nonce;

use crate::Client;
use crate::batch::apply::ItemOutcome;
use crate::batch::entry::Batch;
use crate::batch::error::BatchError;
use crate::batch::id::BatchId;
use crate::batch::letters;
use crate::batch::page::{BatchPage, PageInput};
use crate::batch::select::select_page;
use crate::batch::selected_page::SelectedPage;
use crate::batch::state::BatchState;
use crate::join_bounded::join_bounded;

/// How long the letters of a page are stored after the last of its jobs is due. For this time an undo
/// that crashed can be continued.
const LETTERS_TTL: Duration = Duration::from_secs(2 * 86_400);

impl Client {
    /// Runs a batch, page by page, and returns its last state: done, cancelled, undone, or still
    /// running if `stop` returned true between two pages. Continues a batch that was stopped, or
    /// whose process crashed; no item is done twice. If the caller drops the future, it is as if the process
    /// had crashed: another process may continue after [`STALE_AFTER`](crate::STALE_AFTER).
    ///
    /// # Errors
    /// [`BatchError::Busy`] while another process runs it; [`BatchError::Transport`] if the broker
    /// does not answer or refuses: call it again later.
    pub async fn run_batch(
        &self,
        id: &BatchId,
        stop: impl Fn() -> bool + Send + Sync,
    ) -> Result<Batch, BatchError> {
        let run = Nonce::random().to_string();
        let mut batch = self.claim_batch(id, &run).await?;
        while batch.progress.run.as_ref() == Some(&run) {
            let done = match batch.state {
                BatchState::Running => self.next_page(&mut batch).await,
                BatchState::Undoing => self.undo_page(&mut batch).await,
                _ => break,
            };
            if let Err(err) = done {
                // Best effort: with this the next run need not wait for `STALE_AFTER`.
                batch.progress.run = None;
                let _ = self.save_progress(&mut batch, &run).await;
                return Err(err);
            }
            let has_ended = !matches!(batch.state, BatchState::Running | BatchState::Undoing);
            if has_ended || stop() {
                batch.progress.run = None;
            }
            self.save_progress(&mut batch, &run).await?;
        }
        Ok(batch)
    }

    /// Makes this run the only one that works on the batch. If the batch has ended, returns it
    /// without a change.
    async fn claim_batch(&self, id: &BatchId, run: &str) -> Result<Batch, BatchError> {
        loop {
            let mut batch = self.batch(id).await?;
            if !matches!(batch.state, BatchState::Running | BatchState::Undoing) {
                return Ok(batch);
            }
            let now = self.clock.now();
            if batch.is_busy(now) {
                return Err(BatchError::Busy(id.clone()));
            }
            batch.progress.run = Some(run.to_owned());
            batch.updated_at = now;
            if self.batch_store().save(&mut batch).await? {
                return Ok(batch);
            }
        }
    }

    /// Stores the progress. If another process has changed the state meanwhile, this run accepts that
    /// state. If another process has continued the batch because this run seemed to have crashed, this
    /// run ends.
    async fn save_progress(&self, batch: &mut Batch, run: &str) -> Result<(), BatchError> {
        batch.updated_at = self.clock.now();
        while !self.batch_store().save(batch).await? {
            let current = self.batch(&batch.id).await?;
            if current.progress.run.as_deref() != Some(run) {
                *batch = current;
                return Ok(());
            }
            batch.revision = current.revision;
            if batch.state == BatchState::Running {
                batch.state = current.state;
            }
            if batch.state != BatchState::Running {
                batch.progress.run = None;
            }
        }
        Ok(())
    }

    async fn next_page(&self, batch: &mut Batch) -> Result<(), BatchError> {
        let Some(cursor) = batch.progress.cursor.clone() else {
            batch.state = BatchState::Done;
            return Ok(());
        };
        let number = batch.progress.pages;
        let (page, fresh) = match self.batch_store().page(&batch.id, number).await? {
            // An earlier run has planned this page and crashed. Carry out its plan.
            Some(page) => (page, None),
            None => {
                let until = batch.progress.letters_until;
                let found = select_page(&*self.transport, &batch.scope, &cursor, until).await?;
                let page = batch.plan(&found, self.clock.now());
                if page.items.is_empty() {
                    batch.advance(&page);
                    return Ok(());
                }
                let page = self.store_letters(batch, page, &found.stored).await?;
                if !self.batch_store().save_page(&batch.id, number, &page).await? {
                    // Another run has stored this page, and continues the batch.
                    return Err(BatchError::Busy(batch.id.clone()));
                }
                (page, Some(found.stored))
            }
        };
        let fresh = fresh.as_deref();
        let reason = if batch.reason.is_empty() { "cancelled in a batch" } else { &batch.reason };
        let outcomes = join_bounded(page.items.iter().map(|planned| {
            let stored = fresh.and_then(|fresh| fresh.iter().find(|it| planned.is(it)));
            self.apply(&batch.action, planned, stored, reason)
        }));
        let outcomes: Vec<ItemOutcome> = outcomes.await.into_iter().collect::<Result<_, _>>()?;
        batch.advance(&page);
        batch.progress.pages += 1;
        batch.count(outcomes);
        Ok(())
    }

    /// Stores the letters that the page is about to requeue, if the batch can be undone.
    async fn store_letters(
        &self,
        batch: &Batch,
        page: BatchPage,
        found: &[Stored],
    ) -> Result<BatchPage, BatchError> {
        let (Some(last_due), Some(first)) = (page.last_due(), page.items.first()) else {
            return Ok(page);
        };
        if !batch.action.can_be_undone() {
            return Ok(page);
        }
        let packed = letters::pack(found);
        let job = first.item.job.clone();
        let blob = BlobRef::new(packed.len());
        let ttl = last_due.since(self.clock.now()) + LETTERS_TTL;
        self.transport.blob_put(&job, &blob, packed, ttl).await?;
        Ok(BatchPage { letters: Some((job, blob.to_string())), ..page })
    }
}

impl Batch {
    fn plan(&self, found: &SelectedPage, now: Timestamp) -> BatchPage {
        let input = PageInput {
            action: &self.action,
            seed: self.id.as_str(),
            undo_window: Duration::from_millis(self.undo_window_ms),
            next_due: self.progress.next_due,
            drip_times: &self.progress.drip_times,
            origin: self.started_at,
            now,
        };
        BatchPage::plan(found, &input)
    }

    /// Continues with the page after this one.
    fn advance(&mut self, page: &BatchPage) {
        self.skipped += page.skipped;
        self.last_due_at = self.last_due_at.max(page.last_due());
        self.progress.cursor = page.next.clone();
        self.progress.next_due = page.next_due;
        self.progress.drip_times = page.drip_times.clone();
        if page.next.is_none() {
            self.state = BatchState::Done;
        }
    }

    fn count(&mut self, outcomes: Vec<ItemOutcome>) {
        for outcome in outcomes {
            match outcome {
                ItemOutcome::Done => self.done += 1,
                ItemOutcome::Skipped => self.skipped += 1,
                ItemOutcome::Failed(why) => {
                    self.failed += 1;
                    self.first_failure.get_or_insert(why);
                }
            }
        }
    }
}
