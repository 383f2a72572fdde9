//! Blobs: large results and arguments, stored beside the messages of their job.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::names::QueueName;
use naq_core::transport::{BlobRef, Blobs, JobKey, KeptBlob, NO_TTL, TransportError};

use crate::broker_state::whole_seconds;
use crate::transport::MemoryTransport;

type BlobKey = (JobKey, String);

#[derive(Debug)]
struct StoredBlob {
    blob: BlobRef,
    data: Bytes,
    stored_at: Timestamp,
    /// [`Timestamp::MAX`] for a blob that is kept until it is removed.
    until: Timestamp,
}

#[derive(Debug, Default)]
pub(crate) struct BlobStore {
    stored: HashMap<BlobKey, StoredBlob>,
    deadlines: BTreeSet<(Timestamp, BlobKey)>,
}

impl BlobStore {
    /// Moves the clock forward and removes the blobs whose TTL has passed.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.deadlines.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.deadlines.pop_first() else { return };
            // A blob that was stored a second time has a later deadline and stays.
            if self.stored.get(&key).is_some_and(|it| it.until <= now) {
                self.stored.remove(&key);
            }
        }
    }

    pub(crate) fn put(
        &mut self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        stored_at: Timestamp,
        ttl: Duration,
    ) {
        let key = (job.clone(), blob.to_string());
        let until = if ttl == NO_TTL { Timestamp::MAX } else { stored_at + whole_seconds(ttl) };
        self.deadlines.insert((until, key.clone()));
        self.stored.insert(key, StoredBlob { blob: blob.clone(), data, stored_at, until });
    }

    fn kept<'a>(&'a self, queue: &'a QueueName) -> impl Iterator<Item = KeptBlob> + 'a {
        let kept = |((job, _), it): (&BlobKey, &StoredBlob)| {
            let is_kept = job.queue == *queue && it.until == Timestamp::MAX;
            is_kept.then(|| KeptBlob { job: job.clone(), blob: it.blob.clone() })
        };
        self.stored.iter().filter_map(kept)
    }

    /// The bytes of the blobs of a queue that are kept until they are removed.
    pub(crate) fn kept_bytes(&self, queue: &QueueName) -> u64 {
        self.kept(queue).map(|kept| kept.blob.bytes() as u64).sum()
    }
}

#[async_trait]
impl Blobs for MemoryTransport {
    async fn blob_put(
        &self,
        job: &JobKey,
        blob: &BlobRef,
        data: Bytes,
        ttl: Duration,
    ) -> Result<(), TransportError> {
        blob.check_size()?;
        let (mut state, now) = self.shared.state();
        state.blobs.put(job, blob, data, now, ttl);
        Ok(())
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        let (state, _) = self.shared.state();
        let stored = state.blobs.stored.get(&(job.clone(), blob.to_string()));
        Ok(stored.map(|it| it.data.clone()))
    }

    async fn blob_remove(&self, job: &JobKey, blob: &BlobRef) -> Result<(), TransportError> {
        let (mut state, _) = self.shared.state();
        let key = (job.clone(), blob.to_string());
        if let Some(removed) = state.blobs.stored.remove(&key) {
            state.blobs.deadlines.remove(&(removed.until, key));
        }
        Ok(())
    }

    async fn blobs_kept(&self, queue: &QueueName) -> Result<Vec<KeptBlob>, TransportError> {
        Ok(self.shared.state().0.blobs.kept(queue).collect())
    }

    async fn blob_stored_at(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Timestamp>, TransportError> {
        let (state, _) = self.shared.state();
        let stored = state.blobs.stored.get(&(job.clone(), blob.to_string()));
        Ok(stored.map(|it| it.stored_at))
    }
}
