//! Blobs: large results and arguments, stored beside the messages of their job.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use naq_core::clock::Timestamp;
use naq_core::transport::{BlobRef, Blobs, JobKey, NO_TTL, TransportError};

use crate::broker_state::whole_seconds;
use crate::transport::MemoryTransport;

type BlobKey = (JobKey, String);

#[derive(Debug, Default)]
pub(crate) struct BlobStore {
    stored: HashMap<BlobKey, (Bytes, Timestamp)>,
    deadlines: BTreeSet<(Timestamp, BlobKey)>,
}

impl BlobStore {
    /// Moves the clock forward and removes the blobs whose TTL has passed.
    pub(crate) fn advance(&mut self, now: Timestamp) {
        while self.deadlines.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, key)) = self.deadlines.pop_first() else { return };
            // A blob that was stored a second time has a later deadline and stays.
            if self.stored.get(&key).is_some_and(|(_, until)| *until <= now) {
                self.stored.remove(&key);
            }
        }
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
        let key = (job.clone(), blob.to_string());
        let until = if ttl == NO_TTL { Timestamp::MAX } else { now + whole_seconds(ttl) };
        state.blobs.deadlines.insert((until, key.clone()));
        state.blobs.stored.insert(key, (data, until));
        Ok(())
    }

    async fn blob_get(
        &self,
        job: &JobKey,
        blob: &BlobRef,
    ) -> Result<Option<Bytes>, TransportError> {
        let (state, _) = self.shared.state();
        let stored = state.blobs.stored.get(&(job.clone(), blob.to_string()));
        Ok(stored.map(|(data, _)| data.clone()))
    }

    async fn blob_remove(&self, job: &JobKey, blob: &BlobRef) -> Result<(), TransportError> {
        let (mut state, _) = self.shared.state();
        let key = (job.clone(), blob.to_string());
        if let Some((_, until)) = state.blobs.stored.remove(&key) {
            state.blobs.deadlines.remove(&(until, key));
        }
        Ok(())
    }
}
