//! [`BatchStore`]: batches in the state store. `batch.<id>` is the entry of a batch,
//! `batchpage.<id>.<n>` one of its pages.

use bytes::Bytes;
use naq_core::names::StateKey;
use naq_core::transport::{Expect, Saved, StateEntry, StateStore, TransportError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Client;
use crate::batch::entry::{BATCH_TTL, Batch};
use crate::batch::error::BatchError;
use crate::batch::id::BatchId;
use crate::batch::page::BatchPage;
use crate::batch::state::BatchState;

/// Entries that one request reads.
const READ: usize = 500;

/// Reads and writes batches and their pages. Needs the state store alone.
#[derive(Clone, Copy)]
pub(super) struct BatchStore<'a> {
    store: &'a dyn StateStore,
}

impl BatchStore<'_> {
    async fn read<T: DeserializeOwned>(
        self,
        key: &StateKey,
    ) -> Result<Option<(T, u64)>, BatchError> {
        let found = self.store.state_get(std::slice::from_ref(key)).await?.pop().flatten();
        let Some(entry) = found else { return Ok(None) };
        Ok(Some((decode(&entry)?, entry.revision)))
    }

    pub(super) async fn batch(self, id: &BatchId) -> Result<Batch, BatchError> {
        let found = self.read::<Batch>(&batch_key(id)?).await?;
        let (batch, revision) = found.ok_or_else(|| BatchError::NoBatch(id.clone()))?;
        let mut batch = Batch { revision, ..batch };
        let open = matches!(batch.state, BatchState::Running | BatchState::Cancelled);
        if open && batch.action.can_be_undone() {
            // A crash in the middle of a page leaves due times that the entry does not know.
            let started = self.page(id, batch.progress.pages).await?;
            batch.last_due_at = batch.last_due_at.max(started.and_then(|page| page.last_due()));
        }
        Ok(batch)
    }

    async fn batches(self) -> Result<Vec<Batch>, BatchError> {
        let prefix = StateKey::new(["batch"])?;
        let mut batches = Vec::new();
        let mut next = Some(0);
        while let Some(from) = next {
            let page = self.store.state_list(&prefix, from, READ).await?;
            batches.extend(page.entries.iter().filter_map(|entry| {
                let batch: Batch = decode(entry).ok()?;
                Some(Batch { revision: entry.revision, ..batch })
            }));
            next = page.next;
        }
        // A batch that changes during the listing comes twice: keep the newer one.
        batches.sort_by(|a, b| (&b.id, b.revision).cmp(&(&a.id, a.revision)));
        batches.dedup_by(|a, b| a.id == b.id);
        Ok(batches)
    }

    /// Stores the batch if its entry has not changed since it was read, and sets the new revision.
    /// False if the entry has changed.
    pub(super) async fn save(self, batch: &mut Batch) -> Result<bool, BatchError> {
        let expect = match batch.revision {
            0 => Expect::Absent,
            revision => Expect::Revision(revision),
        };
        let key = batch_key(&batch.id)?;
        let value = encode(batch)?;
        Ok(match self.store.state_put(&key, value, expect, Some(BATCH_TTL)).await? {
            Saved::Stored(revision) => {
                batch.revision = revision;
                true
            }
            Saved::Conflict => false,
        })
    }

    /// The page with this number, if it was stored.
    pub(super) async fn page(
        self,
        id: &BatchId,
        number: u64,
    ) -> Result<Option<BatchPage>, BatchError> {
        let found = self.read(&page_key(id, number)?).await?;
        Ok(found.map(|(page, _)| page))
    }

    /// Stores a new page. False if another process has stored it before.
    pub(super) async fn save_page(
        self,
        id: &BatchId,
        number: u64,
        page: &BatchPage,
    ) -> Result<bool, BatchError> {
        let key = page_key(id, number)?;
        let value = encode(page)?;
        let saved = self.store.state_put(&key, value, Expect::Absent, Some(BATCH_TTL)).await?;
        Ok(matches!(saved, Saved::Stored(_)))
    }
}

impl Client {
    pub(super) fn batch_store(&self) -> BatchStore<'_> {
        BatchStore { store: &*self.transport }
    }

    /// The batch with this id. After a crash in the middle of a page, `last_due_at` includes that
    /// page.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`], [`BatchError::Unreadable`], [`BatchError::Transport`].
    pub async fn batch(&self, id: &BatchId) -> Result<Batch, BatchError> {
        self.batch_store().batch(id).await
    }

    /// The batches of the last 7 days, newest first. Leaves out batches of another version of NAQ
    /// that this version cannot read.
    ///
    /// # Errors
    /// [`BatchError::Transport`].
    pub async fn batches(&self) -> Result<Vec<Batch>, BatchError> {
        self.batch_store().batches().await
    }
}

fn batch_key(id: &BatchId) -> Result<StateKey, BatchError> {
    Ok(StateKey::new(["batch", id.as_str()])?)
}

fn page_key(id: &BatchId, number: u64) -> Result<StateKey, BatchError> {
    Ok(StateKey::new(["batchpage", id.as_str(), &number.to_string()])?)
}

fn decode<T: DeserializeOwned>(entry: &StateEntry) -> Result<T, BatchError> {
    let name = || entry.key.tokens().nth(1).unwrap_or_default();
    serde_json::from_slice(&entry.value).map_err(|_| BatchError::Unreadable(name()))
}

fn encode<T: Serialize>(value: &T) -> Result<Bytes, BatchError> {
    serde_json::to_vec(value).map(Bytes::from).map_err(|err| {
        TransportError::Rejected { what: "write a batch".into(), reason: err.to_string() }.into()
    })
}
