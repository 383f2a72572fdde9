//! Where batches are kept: `batch.<id>`, and what their pages are about to do `batchpage.<id>.<n>`.

use bytes::Bytes;
use naq_core::transport::{Expect, Saved, StateEntry, StateKey, TransportError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Client;
use crate::batch::page::Page;
use crate::batch::state::{BATCH_TTL, Batch, BatchState};
use crate::batch::{BatchError, BatchId};

/// Entries read at once.
const READ: usize = 500;

fn key(id: &BatchId) -> Result<StateKey, BatchError> {
    Ok(StateKey::new(["batch", id.as_str()])?)
}

fn page_key(id: &BatchId, number: u64) -> Result<StateKey, BatchError> {
    Ok(StateKey::new(["batchpage", id.as_str(), &number.to_string()])?)
}

fn read(entry: &StateEntry) -> Result<Batch, BatchError> {
    let batch: Batch = decode(entry)?;
    Ok(Batch { revision: entry.revision, ..batch })
}

fn decode<T: DeserializeOwned>(entry: &StateEntry) -> Result<T, BatchError> {
    let name = || entry.key.tokens().nth(1).unwrap_or_default();
    serde_json::from_slice(&entry.value).map_err(|_| BatchError::Unreadable(name()))
}

fn encode<T: Serialize>(what: &T) -> Result<Bytes, BatchError> {
    serde_json::to_vec(what).map(Bytes::from).map_err(|err| {
        let (what, reason) = ("write a batch".to_owned(), err.to_string());
        TransportError::Rejected { what, reason }.into()
    })
}

impl Client {
    /// The batch of this name. Where it was broken off, it says when the last of the page is due that
    /// was begun.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`], [`BatchError::Unreadable`], [`BatchError::Transport`].
    pub async fn batch(&self, id: &BatchId) -> Result<Batch, BatchError> {
        let key = key(id)?;
        let found = self.transport.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        let mut batch = read(&found.ok_or_else(|| BatchError::NoBatch(id.clone()))?)?;
        let open = matches!(batch.state, BatchState::Running | BatchState::Cancelled);
        if open && batch.action.can_be_undone() {
            let begun = self.batch_page(id, batch.progress.pages).await?;
            batch.last_due_at = batch.last_due_at.max(begun.and_then(|page| page.last_due()));
        }
        Ok(batch)
    }

    /// The batches of the last days, newest first. Those that another version of NAQ has written, and
    /// this one cannot read, are left out.
    ///
    /// # Errors
    /// [`BatchError::Transport`].
    pub async fn batches(&self) -> Result<Vec<Batch>, BatchError> {
        let prefix = StateKey::new(["batch"])?;
        let (mut batches, mut next) = (Vec::new(), Some(0));
        while let Some(from) = next {
            let page = self.transport.state_list(&prefix, from, READ).await?;
            batches.extend(page.entries.iter().filter_map(|entry| read(entry).ok()));
            next = page.next;
        }
        // One that went on meanwhile comes twice: the newer first.
        batches.sort_by(|a, b| (&b.id, b.revision).cmp(&(&a.id, a.revision)));
        batches.dedup_by(|a, b| a.id == b.id);
        Ok(batches)
    }

    /// Stores it where it has not changed since; the revision in it is then the new one.
    pub(super) async fn save_batch(&self, batch: &mut Batch) -> Result<bool, BatchError> {
        let expect = match batch.revision {
            0 => Expect::Absent,
            revision => Expect::Revision(revision),
        };
        let (key, value) = (key(&batch.id)?, encode(batch)?);
        Ok(match self.transport.state_put(&key, value, expect, Some(BATCH_TTL)).await? {
            Saved::Stored(revision) => {
                batch.revision = revision;
                true
            }
            Saved::Conflict => false,
        })
    }

    /// What a page is about to do, if that was written down.
    pub(super) async fn batch_page(
        &self,
        id: &BatchId,
        number: u64,
    ) -> Result<Option<Page>, BatchError> {
        let key = page_key(id, number)?;
        let found = self.transport.state_get(std::slice::from_ref(&key)).await?.pop().flatten();
        found.as_ref().map(decode).transpose()
    }

    /// Writes it down. False when somebody else was first.
    pub(super) async fn save_batch_page(
        &self,
        id: &BatchId,
        number: u64,
        page: &Page,
    ) -> Result<bool, BatchError> {
        let (key, value) = (page_key(id, number)?, encode(page)?);
        let saved = self.transport.state_put(&key, value, Expect::Absent, Some(BATCH_TTL)).await?;
        Ok(matches!(saved, Saved::Stored(_)))
    }
}
