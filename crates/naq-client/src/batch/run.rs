//! Run: page by page, by whoever does it, until it is done.

use std::time::Duration;

use naq_core::clock::Timestamp;
use naq_core::transport::{BlobRef, Stored};
use naq_core::wire::Nonce;

use crate::Client;
use crate::batch::apply::Fate;
use crate::batch::page::{Page, Terms};
use crate::batch::state::{Batch, BatchState};
use crate::batch::{BatchError, BatchId, letters};
use crate::together::together;

/// How long the letters of a page are kept beyond the time that the last of them is due: an undo that
/// was broken off in time can be gone on with for so long.
const LETTERS_KEPT: Duration = Duration::from_secs(2 * 86_400);

impl Client {
    /// Does what a batch says, page by page, and returns it as it is then: done, cancelled by
    /// somebody, undone, or still running where `stop` said so between two pages. One that was
    /// stopped, or whose process died, is gone on with; nothing is done twice. Dropping the future is
    /// like dying: after [`STALE_AFTER`](crate::batch::STALE_AFTER) somebody else may go on.
    ///
    /// # Errors
    /// [`BatchError::Busy`] while another process runs it; [`BatchError::Transport`] when the broker
    /// is away or refuses: call it again then.
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
                // Best effort: nobody need wait until it is known that this run is over.
                batch.progress.run = None;
                let _ = self.note_progress(&mut batch, &run).await;
                return Err(err);
            }
            let over = !matches!(batch.state, BatchState::Running | BatchState::Undoing);
            if over || stop() {
                batch.progress.run = None;
            }
            self.note_progress(&mut batch, &run).await?;
        }
        Ok(batch)
    }

    /// Makes this run the one that works on it; one that is over is returned as it is.
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
            if self.save_batch(&mut batch).await? {
                return Ok(batch);
            }
        }
    }

    /// Stores how far it has come. Somebody may have changed its state meanwhile, which holds; or, if
    /// this run was taken for dead, have gone on with it.
    async fn note_progress(&self, batch: &mut Batch, run: &str) -> Result<(), BatchError> {
        batch.updated_at = self.clock.now();
        while !self.save_batch(batch).await? {
            let theirs = self.batch(&batch.id).await?;
            if theirs.progress.run.as_deref() != Some(run) {
                *batch = theirs;
                return Ok(());
            }
            batch.revision = theirs.revision;
            if batch.state == BatchState::Running {
                batch.state = theirs.state;
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
        let (page, fresh) = match self.batch_page(&batch.id, number).await? {
            // Broken off here: what was about to be done then is done now.
            Some(page) => (page, None),
            None => {
                let until = batch.progress.letters_until;
                let found = self.select(&batch.scope, &cursor, until).await?;
                let page = batch.plan(&found, self.clock.now());
                if page.items.is_empty() {
                    batch.pass(&page);
                    return Ok(());
                }
                let page = self.keep_letters(batch, page, &found.stored).await?;
                if !self.save_batch_page(&batch.id, number, &page).await? {
                    // Somebody else goes on with it; who, shows when the progress is stored.
                    return Err(BatchError::Busy(batch.id.clone()));
                }
                (page, Some(found.stored))
            }
        };
        let fresh = fresh.as_deref();
        let reason = if batch.reason.is_empty() { "cancelled in a batch" } else { &batch.reason };
        let fates = together(page.items.iter().map(|planned| {
            let fits = |it: &&Stored| it.seq == planned.item.seq && it.key == planned.item.job;
            let stored = fresh.and_then(|fresh| fresh.iter().find(fits));
            self.apply(&batch.action, planned, stored, reason)
        }));
        let fates: Vec<Fate> = fates.await.into_iter().collect::<Result<_, _>>()?;
        batch.pass(&page);
        batch.progress.pages += 1;
        batch.count(fates);
        Ok(())
    }

    /// Stores the letters that the page is about to requeue, where that may be undone.
    async fn keep_letters(
        &self,
        batch: &Batch,
        page: Page,
        found: &[Stored],
    ) -> Result<Page, BatchError> {
        let (Some(last_due), Some(first)) = (page.last_due(), page.items.first()) else {
            return Ok(page);
        };
        if !batch.action.can_be_undone() {
            return Ok(page);
        }
        let packed = letters::pack(found);
        let (job, blob) = (first.item.job.clone(), BlobRef::new(packed.len()));
        let ttl = last_due.since(self.clock.now()) + LETTERS_KEPT;
        self.transport.blob_put(&job, &blob, packed, ttl).await?;
        Ok(Page { letters: Some((job, blob.to_string())), ..page })
    }
}

impl Batch {
    /// Whether somebody works on it now.
    pub fn is_busy(&self, now: Timestamp) -> bool {
        self.progress.run.is_some() && now.since(self.updated_at) < crate::batch::STALE_AFTER
    }

    fn plan(&self, found: &crate::batch::select::Found, now: Timestamp) -> Page {
        let terms = Terms {
            action: &self.action,
            seed: self.id.as_str(),
            undo_window: Duration::from_millis(self.undo_window_ms),
            next_due: self.progress.next_due,
            slots: &self.progress.slots,
            origin: self.started_at,
            now,
        };
        Page::plan(found, &terms)
    }

    /// Goes on to the page after this one.
    fn pass(&mut self, page: &Page) {
        self.skipped += page.skipped;
        self.last_due_at = self.last_due_at.max(page.last_due());
        self.progress.cursor = page.next.clone();
        self.progress.next_due = page.next_due;
        self.progress.slots = page.slots.clone();
        if page.next.is_none() {
            self.state = BatchState::Done;
        }
    }

    fn count(&mut self, fates: Vec<Fate>) {
        for fate in fates {
            match fate {
                Fate::Done => self.done += 1,
                Fate::Skipped => self.skipped += 1,
                Fate::Failed(why) => {
                    self.failed += 1;
                    self.first_failure.get_or_insert(why);
                }
            }
        }
    }
}
